"""Where the demo corpus finds its topics: dataset -> label -> places.

A place is ``module`` or ``module.Class`` (its public functions and classes), ``module.*`` (its submodules too) or
``module:name name`` (only these).
"""

from __future__ import annotations

LINALG, FOURIER, RANDOM = "linear algebra", "Fourier transforms and signals", "random numbers and distributions"
FUNCTIONS, SPARSE, OPTIMISATION = "mathematical functions", "sparse arrays", "optimisation"
NETWORKS, STORAGE = "neural networks", "reading and writing data"

_TORCH_LINALG = (
    "torch:svd pca_lowrank svd_lowrank lobpcg matmul mm bmm mv ger outer dot vdot inner addmm addmv addbmm baddbmm addr "
    "chain_matmul cholesky cholesky_inverse cholesky_solve qr geqrf orgqr ormqr lu lu_solve lu_unpack triangular_solve "
    "slogdet logdet det pinverse inverse matrix_exp matrix_power norm trace tril triu einsum tensordot kron cross"
)
_TORCH_RANDOM = (
    "torch:bernoulli multinomial normal poisson binomial rand randn randint randperm rand_like randn_like randint_like Generator"
)
_TORCH_FUNCTIONS = (
    "torch:abs acos acosh add addcdiv addcmul angle asin asinh atan atanh atan2 ceil clamp conj_physical copysign cos cosh "
    "deg2rad div digamma erf erfc erfinv exp exp2 expm1 fix float_power floor floor_divide fmod frac frexp ldexp lerp "
    "lgamma log log10 log1p log2 logaddexp logaddexp2 logit hypot i0 mul mvlgamma nan_to_num neg nextafter polygamma "
    "positive pow rad2deg reciprocal remainder round rsqrt sigmoid sign sgn signbit sin sinc sinh sqrt square sub tan tanh "
    "true_divide trunc xlogy cumsum cumprod logcumsumexp logsumexp prod sum gradient trapezoid cumulative_trapezoid diff "
    "cummax cummin gcd lcm heaviside maximum minimum fmax fmin isclose allclose bitwise_and bitwise_or bitwise_xor "
    "bitwise_not eq ge gt le lt ne isfinite isinf isnan"
)
_TORCH_SPARSE = (
    "torch:sparse_coo_tensor sparse_csr_tensor sparse_csc_tensor sparse_bsr_tensor sparse_bsc_tensor sparse_compressed_tensor "
    "hspmm smm sspaddmm",
    "torch._C.TensorBase:to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc to_dense "
    "sparse_mask sparse_dim dense_dim coalesce is_coalesced indices values crow_indices col_indices ccol_indices "
    "row_indices sparse_resize_ sparse_resize_and_clear_ is_sparse is_sparse_csr smm sspaddmm",
    "torch._tensor.Tensor:to_sparse_coo",
)
_NUMPY_FUNCTIONS = (
    "numpy:sin cos tan arcsin arccos arctan hypot arctan2 degrees radians unwrap deg2rad rad2deg sinh cosh tanh arcsinh "
    "arccosh arctanh round rint fix floor ceil trunc prod sum cumprod cumsum diff gradient cross trapezoid exp expm1 exp2 "
    "log log10 log2 log1p logaddexp logaddexp2 i0 sinc signbit copysign frexp ldexp nextafter spacing lcm gcd add "
    "reciprocal positive negative multiply divide power subtract true_divide floor_divide float_power fmod mod modf "
    "remainder divmod angle clip sqrt cbrt square absolute fabs sign heaviside nan_to_num real_if_close interp maximum "
    "minimum fmax fmin isfinite isnan isinf isclose allclose"
)

#: The scientific libraries share one label set, as far as each has the topic. The first is the target.
SCIENCE: dict[str, dict[str, tuple[str, ...]]] = {
    "torch-docs": {
        LINALG: ("torch.linalg", _TORCH_LINALG),
        FOURIER: (
            "torch.fft",
            "torch.signal.*",
            "torch:stft istft bartlett_window blackman_window hamming_window hann_window kaiser_window",
            "torch.nn.functional:conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc unfold fold",
        ),
        RANDOM: ("torch.distributions.*", "torch.random", "torch.nn.init", _TORCH_RANDOM),
        FUNCTIONS: ("torch.special", _TORCH_FUNCTIONS),
        SPARSE: ("torch.sparse.*", *_TORCH_SPARSE),
        OPTIMISATION: ("torch.optim.*",),
        NETWORKS: ("torch.nn.modules.*",),
        STORAGE: ("torch.utils.data.*", "torch.serialization"),
    },
    "numpy-docs": {
        LINALG: (
            "numpy.linalg",
            "numpy:dot vdot inner outer matmul tensordot einsum einsum_path kron trace matvec vecmat vecdot diagonal tril triu",
        ),
        FOURIER: ("numpy.fft", "numpy:convolve correlate bartlett blackman hamming hanning kaiser sinc"),
        RANDOM: ("numpy.random",),
        FUNCTIONS: (_NUMPY_FUNCTIONS, "numpy.emath"),
        STORAGE: (
            "numpy.lib.npyio",
            "numpy.lib.format",
            "numpy.lib._datasource",
            "numpy.lib._iotools",
            "numpy:load save savez savez_compressed loadtxt savetxt genfromtxt fromregex fromstring fromfile memmap "
            "frombuffer array2string array_repr array_str format_float_positional format_float_scientific set_printoptions "
            "printoptions ndarray",
        ),
    },
    "scipy-docs": {
        LINALG: ("scipy.linalg",),
        FOURIER: ("scipy.fft", "scipy.signal"),
        RANDOM: ("scipy.stats",),
        FUNCTIONS: ("scipy.special",),
        SPARSE: ("scipy.sparse", "scipy.sparse.linalg", "scipy.sparse.csgraph"),
        OPTIMISATION: ("scipy.optimize",),
        STORAGE: (
            "scipy.io",
            "scipy.io.matlab",
            "scipy.io.arff",
            "scipy.io.wavfile",
            "scipy.datasets",
            "scipy.io._netcdf",
            "scipy.io._fortran",
        ),
    },
    "sklearn-docs": {
        LINALG: ("sklearn.decomposition.*", "sklearn.cross_decomposition.*", "sklearn.utils.extmath"),
        RANDOM: (
            "sklearn.mixture.*",
            "sklearn.naive_bayes",
            "sklearn.random_projection",
            "sklearn.utils.random",
            "sklearn.gaussian_process.*",
        ),
        OPTIMISATION: ("sklearn.linear_model.*", "sklearn.svm.*"),
        NETWORKS: ("sklearn.neural_network.*",),
        STORAGE: ("sklearn.datasets.*",),
    },
}

#: Unrelated on purpose: the standard library, labelled by topics of its own.
PYTHON: dict[str, dict[str, tuple[str, ...]]] = {
    "python-docs": {
        "networking": (
            "socket", "ssl", "http.client", "http.server", "http.cookies", "http.cookiejar", "urllib.request", "urllib.parse",
            "urllib.robotparser", "ftplib", "smtplib", "imaplib", "poplib", "socketserver", "ipaddress", "xmlrpc.client",
            "xmlrpc.server", "selectors", "wsgiref.*",
        ),
        "text processing": (
            "string", "re", "textwrap", "difflib", "unicodedata", "csv", "json.*", "html.*", "xml.dom.minidom",
            "xml.etree.ElementTree", "xml.sax.handler", "xml.sax.xmlreader", "configparser", "email.message", "email.header",
            "email.policy", "email.charset", "email.generator", "shlex", "gettext", "locale", "codecs", "builtins:str bytes",
        ),
        "files and folders": (
            "os", "posixpath", "shutil", "pathlib", "tempfile", "glob", "fnmatch", "zipfile", "tarfile", "gzip", "bz2",
            "lzma", "fileinput", "filecmp", "io", "mmap", "mailbox", "shelve", "dbm",
        ),
        "concurrency": (
            "threading", "multiprocessing.*", "asyncio.*", "concurrent.futures.*", "queue", "sched", "subprocess",
            "contextvars", "signal",
        ),
        "testing and debugging": (
            "unittest.*", "doctest", "pdb", "bdb", "cmd", "trace", "traceback", "tracemalloc", "logging.*", "warnings",
            "timeit", "cProfile", "pstats",
        ),
        "code and imports": (
            "ast", "inspect", "dis", "tokenize", "importlib.*", "pkgutil", "modulefinder", "types", "typing", "zipimport",
            "compileall", "code", "codeop", "symtable", "runpy",
        ),
        "containers and numbers": (
            "collections", "collections.abc", "heapq", "bisect", "array", "decimal", "fractions", "statistics", "itertools",
            "functools", "enum", "dataclasses", "copy", "weakref", "operator", "builtins:list dict set frozenset tuple int "
            "float complex",
        ),
        "dates and times": ("datetime", "calendar", "time", "zoneinfo", "email.utils"),
    }
}  # fmt: skip

"""Pretrained backbones: find them, hash them, load them.

A backbone is named by a local folder, by ``package:IMPORT_NAME/FOLDER`` (weights inside an installed Python package), or by its
name on the Hugging Face hub. Only safetensors weights are read: a pickle can run code when it is opened.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.errors import BackboneError, ServiceError, first_line
from rootstock.files import sha256_of, sha256_of_json

if TYPE_CHECKING:
    pass

PACKAGE_PREFIX = "package:"
PICKLE_NAMES = ("pytorch_model.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
#: transformers swaps torch's initialisers and default type while it loads, for the whole process: one thread at a time.
LOADING = threading.RLock()
#: Of these, texts are read by the encoder alone, for which transformers has another class.
ENCODERS_ALONE = ("t5", "mt5", "umt5")
#: Parts of a name whose weights a checkpoint may lack: no feature depends on them.
NEVER_READ = ("pooler", "mask_token")
HUB_PATTERNS = ["*.json", "*.txt", "*.safetensors", "*.model"]


def locate(name: str) -> Path:
    """Folder of a backbone. Raises BackboneError if it is missing or holds only pickled weights, ServiceError if the hub fails."""
    folder = _from_package(name) if name.startswith(PACKAGE_PREFIX) else Path(name)
    if not folder.is_dir() and (name.startswith((PACKAGE_PREFIX, ".", "/", "~")) or name.count("/") > 1):
        raise BackboneError(
            f"backbone {name}: expected a folder with config.json and model.safetensors, found nothing at {folder}; check the "
            "name, or train a small backbone with 'rootstock pretrain'"
        )
    if not folder.is_dir():
        folder = _from_hub(name)
    _refuse_unusable(name, folder)
    return folder


def _from_package(name: str) -> Path:
    package, _, inner = name.removeprefix(PACKAGE_PREFIX).partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise BackboneError(f"backbone {name}: expected an installed package '{package}', found none; install it or name a folder")
    return Path(spec.submodule_search_locations[0]) / inner


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_PATTERNS))
    except (RepositoryNotFoundError, LocalEntryNotFoundError) as error:
        raise BackboneError(
            f"backbone {name}: expected a local folder or a model on the Hugging Face hub, found neither "
            "(the hub does not have it or cannot be reached); check the name, or give a folder"
        ) from error
    except HfHubHTTPError as error:
        raise ServiceError(f"backbone {name}: the Hugging Face hub answered {error}; try again later") from error
    except ValueError as error:
        raise BackboneError(f"backbone {name}: neither a folder nor a valid hub name: {error}") from error


def _refuse_unusable(name: str, folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise BackboneError(f"backbone {name}: expected config.json in {folder}, found none; give the folder that holds it")
    if not any(folder.glob("*.safetensors")):
        pickles = [path.name for pattern in PICKLE_NAMES for path in folder.glob(pattern)]
        found = f"only pickled weights ({', '.join(pickles)}), which can run code when opened" if pickles else "no weights"
        raise BackboneError(
            f"backbone {name}: expected *.safetensors in {folder}, found {found}; save it again with "
            "model.save_pretrained(folder, safe_serialization=True)"
        )


@cache
def content_hash(folder: Path) -> str:
    """sha256 over a backbone's configuration, weights and tokenizer: the same model has the same hash wherever it lies."""
    kept = sorted(path for pattern in HUB_PATTERNS for path in folder.glob(pattern) if path.is_file())
    return sha256_of_json([(path.name, sha256_of(path)) for path in kept])


def load_encoder(folder: Path) -> Any:
    """The backbone without a task head, in float32, in evaluation mode. Raises BackboneError if transformers cannot read it.

    Code that lies beside the weights is neither run nor asked about.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with LOADING:
            model, loaded = _auto_class(_config(folder)).from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
            )
    except (ValueError, OSError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise BackboneError(
                f"backbone {folder}: expected an architecture of transformers, found one of its own (auto_map in config.json); "
                "code that comes with weights is not run: name another backbone"
            ) from error
        raise BackboneError(f"backbone {folder}: transformers cannot load it: {first_line(error)}") from error
    except SafetensorError as error:
        raise BackboneError(
            f"backbone {folder}: expected whole *.safetensors, found a git-lfs pointer or a part of one ({error}); get it again, "
            "from a git repository by 'git lfs pull'"
        ) from error
    except RuntimeError as error:
        raise BackboneError(
            f"backbone {folder}: transformers cannot load it: its weights are not of the sizes that its config.json says; get both "
            "again from one place"
        ) from error
    _refuse_new_weights(folder, model, loaded)
    return _on_device(model)


def _on_device(model: Any) -> Any:
    """In evaluation mode. A GPU convolves in single precision as a CPU does: cuDNN's default, TF32, rounds to 10 bits, and the
    answers that are sealed with a model would be others elsewhere.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = False
    placed = model.eval().to(device())
    return placed.to(memory_format=torch.channels_last) if device() == "cpu" and is_convolutional(placed) else placed


def is_convolutional(model: Any) -> bool:
    """Whether most weights are in convolutions, as in a ResNet.

    A CPU computes those faster where the channels of a pixel lie side by side: a small ResNet 1.5 times forwards, 1.3 in training,
    ResNet-50 1.1 times. A ConvNeXt, most of which are linear layers, gains nothing (``benchmarks/channels_last.py``).
    """
    import torch

    convolved = sum(layer.weight.numel() for layer in model.modules() if isinstance(layer, torch.nn.Conv2d))
    return bool(2 * convolved > sum(weight.numel() for weight in model.parameters()))


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _auto_class(config: Any) -> Any:
    from transformers import AutoModel, AutoModelForTextEncoding

    return AutoModelForTextEncoding if config.model_type in ENCODERS_ALONE else AutoModel


def _refuse_new_weights(folder: Path, model: Any, loaded: dict[str, Any]) -> None:
    """Raise BackboneError where transformers found no weights for a part of the model: it makes random ones, others every time."""
    weights = {name for name, _ in model.named_parameters()}
    missing = sorted(name for name in weights & set(loaded["missing_keys"]) if not any(part in name for part in NEVER_READ))
    if not missing:
        return
    others = sorted(loaded["unexpected_keys"])
    instead = f", and weights of other names, such as {others[0]}" if others else ""
    raise BackboneError(
        f"backbone {folder}: expected weights for all of {type(model).__name__}, found none for {len(missing)} of its "
        f"{len(weights)}, such as {missing[0]}{instead}; get it again, or save it again with model.save_pretrained(folder) of "
        "transformers"
    )


def device() -> str:
    """Where models run: the first GPU that torch sees, of several processes that train together each its own; else the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def new_encoder(folder: Path, seed: int) -> Any:
    """The same architecture with random weights, in float32: the from-scratch control."""
    import torch

    config = _config(folder)
    with LOADING:
        torch.manual_seed(seed)
        model = _auto_class(config).from_config(config, dtype=torch.float32)
    return _on_device(model)


def add_adapters(encoder: Any, folders: Sequence[Path]) -> Any:
    """Merge saved adapters into the encoder, in order."""
    from peft import PeftModel

    with LOADING:
        for folder in folders:
            encoder = PeftModel.from_pretrained(encoder, str(folder)).merge_and_unload()
    return encoder.eval()

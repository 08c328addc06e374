"""Tables as people hand them over: CSV, TSV, JSONL and Parquet files, and folders of images.

Reading is raw: it answers what stands in the file, and judges only whether it is a table at all. What the columns mean is the
business of who asked for it.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.errors import DataError
from rootstock.files import read_utf8, write_file
from rootstock.pictures import kept_bytes
from rootstock.threads import cores, in_threads

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (*SEPARATORS, ".jsonl", ".parquet")
PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".tar")
#: How many unreadable files a message names.
NAMED_FILES = 5
#: What macOS adds to an archive: a hidden file beside each.
MAC_FOLDER = "__MACOSX"
#: Categories of characters that leave no mark: blanks, line ends, controls, and those of no width.
UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


def read_table(path: Path) -> pd.DataFrame:
    """Rows of a table file, in order, by its ending: .csv, .tsv, .jsonl (or .ndjson), .parquet.

    Every cell of a CSV or TSV file is text, and an empty one is null, so ``NA`` stays a word and ``007`` stays an identifier.
    Columns of a Parquet file are those that the file holds, under the names that stand there, whoever wrote it.
    Raises DataError (InputError for a missing or non-UTF-8 file) naming the file and, where there is one, the line.
    """
    ending = _ending(path)
    if not path.is_file():
        raise DataError(f"{path}: expected a table file, found {'a folder' if path.is_dir() else 'nothing'}; check the path")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: expected rows, found an empty file")
    if ending == ".parquet":
        frame = _read_parquet(path)
    else:
        text = read_utf8(path)
        frame = _parse_jsonl(text, path) if ending == ".jsonl" else _parse_separated(text, SEPARATORS[ending], path)
    if frame.empty:
        raise DataError(f"{path}: expected rows, found none under the columns {', '.join(map(str, frame.columns)) or '(none)'}")
    return frame.reset_index(drop=True)


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame without its index, atomically, in the format of the path's ending. Raises DataError for an unknown one."""

    def write(temporary: Path) -> None:
        with writing(temporary) as add:
            add(frame)

    write_file(path, write)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Gives what adds a frame to the table at ``path``: all frames of one table, of the same columns, need not fit into memory."""
    ending = _ending(path)
    if ending == ".parquet":
        with contextlib.ExitStack() as opened:
            yield _adding_to_parquet(path, opened)
        return
    with path.open("w", encoding="utf-8", newline="") as stream:

        def add(frame: pd.DataFrame) -> None:
            if ending == ".jsonl":
                frame.to_json(stream, orient="records", lines=True, force_ascii=False, double_precision=15)
            else:
                frame.to_csv(
                    stream,
                    index=False,
                    header=stream.tell() == 0,
                    sep=SEPARATORS[ending],
                    quoting=csv.QUOTE_ALL if _has_carriage_return(frame) else csv.QUOTE_MINIMAL,
                )

        yield add


def _adding_to_parquet(path: Path, opened: contextlib.ExitStack) -> Callable[[pd.DataFrame], None]:
    """The first frame opens the file, with its types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writers: list[pq.ParquetWriter] = []

    def add(frame: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(frame, schema=writers[0].schema if writers else None, preserve_index=False)
        if not writers:
            writers.append(opened.enter_context(pq.ParquetWriter(path, table.schema)))
        writers[0].write_table(table)

    return add


def check_output(path: Path) -> None:
    """Raise DataError if no table can be written under this name, or in its place: call it before any work is done."""
    _ending(path)
    if path.is_dir():
        raise DataError(f"{path}: expected a file to write, found a folder; name a file in it")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise DataError(f"{path}: expected a folder to write in, found that {above} is a file; choose another place")


def image_files(folder: Path) -> dict[str, Path]:
    """Images under a folder by their relative path with ``/``, sorted.

    Other files are left alone, and so is what is hidden: viewers, notebooks and archivers leave images of their own. Raises
    DataError for a missing folder and one without images.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise DataError(f"{folder}: expected a folder of images, found {found}; check the path")
    paths = sorted(path for path in _files(folder) if path.suffix.lower() in IMAGE_ENDINGS)
    if not paths:
        raise DataError(f"{folder}: expected images ({', '.join(IMAGE_ENDINGS)}), found none")
    return {path.relative_to(folder).as_posix(): path for path in paths}


def read_image_folder(folder: Path, *, most_pixels: int | None) -> pd.DataFrame:
    """Images under a folder: ``id`` (relative path with ``/``) and ``input`` (the bytes that are kept of it, see ``kept_bytes``).

    A first folder level, where there is one, can be had from ``id``. Raises DataError like ``image_files``, and where images cannot
    be decoded: it counts them and names the first ones.
    """
    import pandas as pd

    paths = image_files(folder)
    names, inputs = list(paths), read_images(list(paths.values()), most_pixels=most_pixels)
    if broken := {name: str(found) for name, found in zip(names, inputs, strict=True) if isinstance(found, ValueError)}:
        raise undecodable(broken, len(paths), folder)
    return pd.DataFrame({"id": names, "input": inputs})


def _files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Files under a folder that are not hidden, links followed, but for one that leads back to a folder ``above`` it."""
    own = (folder.resolve(), *above)
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name == MAC_FOLDER:
            continue
        if path.is_dir() and path.resolve() not in own:
            yield from _files(path, own)
        elif path.is_file():
            yield path


def read_images(cells: Sequence[Any], *, most_pixels: int | None) -> list[bytes | ValueError]:
    """What is kept of the image in each cell (see ``image_in``), or why there is none; read side by side."""
    from tqdm import tqdm

    def read(cell: Any) -> bytes | ValueError:
        try:
            return image_in(cell, most_pixels=most_pixels)
        except ValueError as error:
            return error

    found = in_threads(read, cells, threads=cores())
    return list(tqdm(found, desc="reading images", total=len(cells), disable=None, leave=False, file=sys.stderr))


def image_in(cell: Any, *, most_pixels: int | None) -> bytes:
    """What is kept (see ``kept_bytes``) of the image in a cell: a file's path or bytes, or a mapping that holds them, as tables of
    the hub do.

    Raises ValueError saying why there is none.
    """
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(content, Path):
        try:
            content = content.read_bytes()
        except OSError as error:
            raise ValueError(error.strerror or str(error)) from error
    if not isinstance(content, bytes):
        raise ValueError(f"{'none' if is_missing(content) else type(content).__name__}, not a file's bytes")
    return kept_bytes(content, most_pixels=most_pixels)


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: null, no number, no time, or a text of which nothing can be seen."""
    if isinstance(cell, str):
        return all(unicodedata.category(character) in UNSEEN for character in cell)
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def text_in(cell: Any) -> str:
    """A cell as text: "" where it holds nothing, a whole number without a decimal point."""
    if is_missing(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def as_text(cell: Any) -> str:
    """A cell as text without blanks around it: "" where there is none, whole numbers without a decimal point."""
    return text_in(cell).strip()


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    ending = ".jsonl" if ending == ".ndjson" else ending
    if ending not in ENDINGS:
        advice = "unpack it" if ending in PACKED else "rename or convert it"
        raise DataError(f"{path}: expected a file ending in {', '.join(ENDINGS)}, found '{path.suffix}'; {advice}")
    return ending


def _has_carriage_return(frame: pd.DataFrame) -> bool:
    """Whether a cell or a column's name holds one: Python 3.11 does not quote it unless told, and then it ends a row."""
    return any(isinstance(cell, str) and "\r" in cell for name, column in frame.items() for cell in (name, *column))


def _check_header(header: list[str], path: Path) -> None:
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{path}: expected each column once, found more than one '{repeated[0]}' in the header; rename one")


def _check_separator(header: list[str], separator: str, path: Path) -> None:
    """Raise DataError for one column that holds another separator: spreadsheets write semicolons into what they call .csv."""
    other = next((other for other in (";", "\t", ",") if other != separator and other in header[0]), None)
    if len(header) == 1 and other is not None:
        ending = next((ending for ending, its in SEPARATORS.items() if its == other), None)
        advice = f"rename it to {path.stem}{ending}" if ending else f"save it with {separator!r}, or as Parquet"
        raise DataError(
            f"{path}: expected columns separated by {separator!r}, found one column '{header[0]}' that holds {other!r}; {advice}"
        )


def _read_parquet(path: Path) -> pd.DataFrame:
    """Without the notes that pandas leaves: they make an index of columns, numbers of names, and cells of ``pd.NA``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as stream:
            table = pq.ParquetFile(stream).read()
        _check_header(table.column_names, path)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    except (ValueError, OSError, LookupError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a Parquet file, found something else ({error}); write it again") from error
    return frame


def _parse_separated(text: str, separator: str, path: Path) -> pd.DataFrame:
    import pandas as pd

    csv.field_size_limit(sys.maxsize)  # the default refuses a field over 128 KiB; how long a text may be is judged elsewhere
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str | None]] = []
    header: list[str] = []
    try:
        for cells in reader:
            if not cells:
                continue
            if not header:
                header = cells
                _check_header(header, path)
                _check_separator(header, separator, path)
            elif len(cells) != len(header):
                raise DataError(
                    f"{path}: expected {len(header)} cells as in the header, found {len(cells)} in the row that ends at line "
                    f"{reader.line_num}; quote cells that hold the separator"
                )
            else:
                rows.append([cell or None for cell in cells])
    except csv.Error as error:
        raise DataError(
            f"{path}: expected cells quoted as in RFC 4180, found none such at line {reader.line_num} ({error})"
        ) from error
    return pd.DataFrame(rows, columns=header)


def _parse_jsonl(text: str, path: Path) -> pd.DataFrame:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines(): U+2028 may stand inside a JSON string
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: expected a JSON object on each line, found {error} at line {number}") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: expected a JSON object on each line, found {type(row).__name__} at line {number}")
        if "\\ud" in line.lower() and _has_lone_surrogate(row):
            raise DataError(f"{path}: expected text, found half of a UTF-16 surrogate pair at line {number}; write it as UTF-8")
        rows.append(row)
    frame = pd.DataFrame(rows)
    for name in frame.select_dtypes("float").columns:  # pandas makes floats of whole numbers beside a row without one
        frame[name] = pd.Series([row.get(name) for row in rows], dtype=object)
    return frame


def _has_lone_surrogate(row: dict[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def undecodable(broken: dict[str, str], images: int, folder: Path) -> DataError:
    """One line that counts the images that cannot be read, and names the first of them with the reason."""
    if len(broken) == 1:
        name, reason = next(iter(broken.items()))
        return DataError(
            f"{folder / name}: expected an image, found one that cannot be decoded ({reason}), the only one of {images} here; "
            "replace or remove it"
        )
    listed = ", ".join(f"{name} ({reason})" for name, reason in list(broken.items())[:NAMED_FILES])
    more = f" and {len(broken) - NAMED_FILES} more" if len(broken) > NAMED_FILES else ""
    return DataError(
        f"{folder}: expected images, found {len(broken)} of {images} that cannot be decoded: {listed}{more}; replace or remove them"
    )

"""One run with an identity: a folder, and a digest of all that results depend on."""

import fcntl
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from .files import ASIDE, kept_arrays, write_json

CONFIG, LOCK = "config.json", "lock"
# What the digest and the content digests stand under in config.json.
IDENTITY = "identity"


class RunError(ValueError):
    """A folder that cannot be, or cannot go on being, this run's."""


def beside_identity(default: Any) -> Any:
    """A field of settings that may change when a run goes on, such as its length.

    Example:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Settings:
    ...     seed: int = 0
    ...     steps: int = beside_identity(300)
    >>> identity_of(Settings(steps=5)) == identity_of(Settings(steps=7))
    True
    """
    return field(default=default, metadata={"identity": False})


def identity_of(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass that decide results, as JSON holds them."""
    names = [f.name for f in fields(settings) if f.metadata.get("identity", True)]
    chosen = {name: value for name, value in asdict(settings).items() if name in names}
    return json.loads(json.dumps(chosen))


def package_version() -> str:
    """The version of this package that is installed."""
    try:
        return importlib.metadata.version("maml-tf")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def digest_of(settings: Any, content: Mapping[str, str]) -> str:
    """64 hexadecimal digits of settings, content and the package's version."""
    whole = {
        "kind": type(settings).__qualname__,
        "settings": identity_of(settings),
        "content": dict(content),
        "maml_tf": package_version(),
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def weights_digest(model: Any) -> str:
    """64 hexadecimal digits of all variables of a Keras model, names left aside."""
    found = hashlib.sha256()
    for variable in model.variables:
        array = np.asarray(variable)
        found.update(f"{array.dtype.name}{array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


class Run:
    """A folder that belongs to one identity, to one process at a time.

    Its config.json holds the settings, the content digests and the digest over them
    all. A run is a context manager: leaving it frees the folder, and so does the end of
    the process, whatever ends it.

    Args:
        folder: made if need be. It has to be empty, or hold an earlier part of this
            run.
        settings: a frozen dataclass of all that somebody chose; fields that are
            `beside_identity` may change from one part of the run to the next.
        content: digests of what the settings only name: `corpus.digest()`,
            `weights_digest(encoder)`.

    Raises:
        RunError: if the folder is another run's, another process', or not to be
            written in.

    Example:

    >>> import tempfile
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Settings:
    ...     seed: int = 0
    >>> folder = Path(tempfile.mkdtemp())
    >>> with Run(folder, Settings(), {"corpus": "1a2b"}) as run:
    ...     run.array("squares", lambda: np.arange(3) ** 2)
    array([0, 1, 4])
    >>> Run(folder, Settings(seed=1), {"corpus": "1a2b"})
    Traceback (most recent call last):
    training.common.run.RunError: ... holds another run with other seed; choose another
    folder.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: Any,
        content: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.settings, self.content = settings, dict(content or {})
        self.digest = digest_of(settings, self.content)
        check_folder(self.folder, settings)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.folder / LOCK, "w")  # noqa: SIM115  held open
        except OSError as error:
            raise _not_writable(self.folder, error) from error
        try:
            if not _take(self._lock):
                raise _in_use(self.folder)
            # Again, now that nobody else can change it.
            check_folder(self.folder, settings, locked=True)
            self._check_content()
            for left in self.folder.glob(f"{ASIDE}*"):
                left.unlink()
            self._write_config()
        except BaseException:
            self.close()
            raise

    @classmethod
    def within(
        cls,
        folder: str | Path,
        name: str,
        settings: Any,
        content: Mapping[str, str] | None = None,
    ) -> "Run":
        """A run in a folder of its own, `folder/NAME-DIGEST`, beside other identities'.

        For benchmarks that keep runs of several settings in one working folder.
        """
        digest = digest_of(settings, dict(content or {}))
        return cls(Path(folder) / f"{name}-{digest[:12]}", settings, content)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the folder for other processes."""
        self._lock.close()

    def path(self, name: str, suffix: str) -> Path:
        """A file of this identity: its name holds the digest."""
        return self.folder / f"{name}-{self.digest[:12]}{suffix}"

    def array(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of that name, computed and kept where this run has none yet."""
        return self.arrays(name, lambda: {"array": compute()})["array"]

    def arrays(
        self, name: str, compute: Callable[[], Mapping[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """Several arrays that are computed together, kept under one name."""
        return kept_arrays(self.path(name, ".npz"), compute)

    def value(self, name: str, compute: Callable[[], Any]) -> Any:
        """What JSON can hold, computed and kept where this run has none yet."""
        path = self.path(name, ".json")
        if path.is_file():
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                print(f"{path} cannot be read and is computed again.", flush=True)
        found = compute()
        write_json(path, found)
        return json.loads(json.dumps(found))

    def _check_content(self) -> None:
        earlier = read_config(self.folder)
        if not earlier:
            return
        known = earlier[IDENTITY]
        if (version := known.get("maml_tf")) != package_version():
            raise RunError(
                f"{self.folder} holds a run of maml-tf {version}, and this is "
                f"{package_version()}; choose another folder."
            )
        changed = sorted(
            name
            for name in {*self.content, *known.get("content", {})}
            if self.content.get(name) != known.get("content", {}).get(name)
        )
        if changed:
            raise RunError(
                f"The {' and the '.join(changed)} changed since the run in "
                f"{self.folder} began, so it cannot go on; restore what it began with, "
                "or choose another folder."
            )

    def _write_config(self) -> None:
        identity = {
            "digest": self.digest,
            "maml_tf": package_version(),
            "content": self.content,
        }
        try:
            write_json(
                self.folder / CONFIG, {**asdict(self.settings), IDENTITY: identity}
            )
        except OSError as error:
            raise _not_writable(self.folder, error) from error


def read_config(folder: Path) -> dict[str, Any]:
    """The settings and the identity of the run in a folder; empty where there is none.

    Raises:
        RunError: if config.json is not what a run wrote.
    """
    path = folder / CONFIG
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read ({error}).") from error
    try:
        config = json.loads(text)
    except ValueError as error:
        raise RunError(
            f"{path} is no JSON, so it may be truncated; restore it, or choose another "
            "folder."
        ) from error
    if not isinstance(config, dict):
        raise RunError(
            f"{path} holds no settings of a run but {json.dumps(config)[:40]}; choose "
            "another folder."
        )
    identity = config.get(IDENTITY)
    if not isinstance(identity, dict) or not isinstance(
        identity.get("content", {}), dict
    ):
        raise RunError(
            f"{path} does not say what its run depends on, so it was written by an "
            "earlier version or by hand; choose another folder."
        )
    return config


def check_folder(folder: str | Path, settings: Any, *, locked: bool = False) -> None:
    """Refuses a folder that cannot become this run's; writes nothing.

    Args:
        folder: where the run is to be.
        settings: see `Run`. Content is only compared when the run is opened.
        locked: whether the caller holds the folder's lock.

    Raises:
        RunError: naming the reason.
    """
    folder = Path(folder).expanduser()
    nearest = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not nearest.is_dir():
        raise RunError(f"{nearest} is a file; choose another folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise RunError(f"{nearest} cannot be written in; choose another folder.")
    if not folder.exists():
        return
    if not locked and (folder / LOCK).is_file():
        with open(folder / LOCK) as lock:
            if not _take(lock):
                raise _in_use(folder)
    earlier = read_config(folder)
    if earlier:
        wanted = identity_of(settings)
        differing = sorted(
            name
            for name, value in wanted.items()
            if name not in earlier or earlier[name] != value
        )
        if differing:
            raise RunError(
                f"{folder} holds another run with other {', '.join(differing)}; choose "
                "another folder."
            )
    elif any(not _left_over(path.name) for path in folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no run; choose another.")


def _left_over(name: str) -> bool:
    """Whether a run that was killed as it began may have left the file."""
    return name == LOCK or name.startswith(ASIDE)


def _take(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(folder: Path) -> RunError:
    return RunError(
        f"{folder} is in use by another process; wait until it ends, or choose another "
        "folder."
    )


def _not_writable(folder: Path, error: OSError) -> RunError:
    return RunError(
        f"{folder} cannot be written in ({error.strerror or error}); choose another "
        "folder."
    )

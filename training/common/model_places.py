"""Where a model is that a person names: a folder here, or a server."""

from typing import TYPE_CHECKING, Any

from absl import app

if TYPE_CHECKING:
    from maml_tf.serving import Client

SCHEMES = ("http://", "https://", "grpc://")
# Long enough for a language model to read and write.
SECONDS = 600.0


def check_place(place: str) -> None:
    """Refuses what names no export and no model of a server, before a model is loaded.

    Raises:
        FileNotFoundError: if the folder holds no export.
        UsageError: if the address lacks the model's name.

    Example:

    >>> check_place("http://localhost:8501/first")
    """
    from maml_tf.serving.saved_model import version_folder

    if is_address(place):
        parts_of(place)
    else:
        version_folder(place)


def is_address(place: str) -> bool:
    """Whether a server is named, not a folder."""
    return place.startswith(SCHEMES)


def parts_of(place: str) -> tuple[str, str]:
    """The address of a server and the name of its model.

    Args:
        place: `http://HOST:PORT/MODEL`, `grpc://HOST:PORT/MODEL`, or the address that
            servers themselves have for a model, `http://HOST:PORT/v1/models/MODEL`.

    Raises:
        UsageError: if the name is missing.

    Example:

    >>> parts_of("http://localhost:8501/v1/models/first")
    ('http://localhost:8501', 'first')
    >>> parts_of("grpc://localhost:8500/first")
    ('grpc://localhost:8500', 'first')
    """
    scheme, _, rest = place.partition("://")
    where, _, path = rest.partition("/")
    model = path.strip("/").removeprefix("v1/models/")
    if not where or not model or "/" in model:
        raise app.UsageError(
            f"{place} does not name a model of a server; write "
            f"{scheme}://HOST:PORT/MODEL."
        )
    return f"{scheme}://{where}", model


def client_at(place: str, *, quick: bool = False) -> "Client":
    """A client of the export or the served model there.

    Args:
        place: a folder, or an address as `parts_of` takes it.
        quick: of a folder, be there soon rather than fast at the thousandth call.
    """
    from maml_tf.serving import Client

    if is_address(place):
        address, model = parts_of(place)
        return Client(address, model, timeout=SECONDS)
    target: Any = place
    if quick:
        from maml_tf.serving.quick_transport import QuickTransport

        target = QuickTransport(place)
    return Client(target, timeout=SECONDS)

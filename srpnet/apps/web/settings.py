"""Where the page is served, and how much it takes."""

from dataclasses import dataclass

from episodes.settings import check, setting


@dataclass(frozen=True)
class AppSettings:
    """Of `srpnet app`."""

    host: str = setting(
        "127.0.0.1", "Address to listen on: this machine alone, or 0.0.0.0 for everybody who reaches it."
    )
    port: int = setting(7860, "Port to listen on.", low=1, high=65535)
    photographs: int = setting(100, "Photographs that a person may have on the page.", low=1, high=10_000)
    megapixels: int = setting(100, "Millions of pixels that a photograph may have.", low=1, high=170)
    megabytes: int = setting(50, "Megabytes that a file may have.", low=1, high=10_000)
    people: int = setting(10, "People who may use the page at once.", low=1, high=1000)

    def __post_init__(self) -> None:
        check(self)

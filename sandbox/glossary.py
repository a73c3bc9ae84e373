"""The hub's catalogue put to use: names of data sets, fields and views, and values as people read them."""

from dataclasses import dataclass
from typing import Any, Final

# Offered while the hub's catalogue cannot be had, so that the desk can be looked at nevertheless.
_WITHOUT_CATALOGUE: Final = {"registration": "企业登记", "tax": "纳税"}


@dataclass(frozen=True)
class Glossary:
    """`GET /v1/catalogue` of the hub. What it does not know is shown under its own name."""

    catalogue: dict[str, Any]

    def datasets(self) -> dict[str, str]:
        """The data sets on offer: id → title."""
        offered = {one["id"]: one["title"] for one in self.catalogue.get("datasets", [])}
        return offered or _WITHOUT_CATALOGUE

    def dataset(self, dataset: str) -> str:
        return self.datasets().get(dataset, dataset)

    def field(self, dataset: str, name: str) -> str:
        title: str = self._field(dataset, name).get("title", name)
        return title

    def view(self, kind: str) -> str:
        title: str = self.catalogue.get("views", {}).get(kind, {}).get("title", kind)
        return title

    def value(self, dataset: str, name: str, value: object) -> str:
        """Money comes in fen and is shown in yuan; a band by its title; nothing as a dash."""
        if value is None:
            return "—"
        field = self._field(dataset, name)
        bands = {band["band"]: band["title"] for band in field.get("bands", [])}
        if value in bands:
            return str(bands[str(value)])
        if field.get("type") == "money" and isinstance(value, int):
            return f"{value / 100:,.2f}"
        return str(value)

    def _field(self, dataset: str, name: str) -> dict[str, Any]:
        for one in self.catalogue.get("datasets", []):
            if one["id"] == dataset:
                return next((field for field in one["fields"] if field["name"] == name), {})
        return {}

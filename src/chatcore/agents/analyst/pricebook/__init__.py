"""What a table of list prices says: which columns are which, which rows cover a model's name. Pure."""

from chatcore.agents.analyst.pricebook.book import PriceBook, PriceKey, PriceRow
from chatcore.agents.analyst.pricebook.columns import PriceColumns, Rate

__all__ = ["PriceBook", "PriceColumns", "PriceKey", "PriceRow", "Rate"]

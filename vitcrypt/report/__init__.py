"""Records of runs, and the tables and pictures made from them. This room imports no torch."""

from vitcrypt.report.results import read_result, read_results, write_result
from vitcrypt.report.security import attacks, search_years, security
from vitcrypt.report.sheet import Sheet
from vitcrypt.report.table1 import table1
from vitcrypt.report.tables import summary

__all__ = [
    "Sheet",
    "attacks",
    "read_result",
    "read_results",
    "search_years",
    "security",
    "summary",
    "table1",
    "write_result",
]

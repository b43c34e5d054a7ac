"""The key space of each scheme at the paper's settings, and the years that trying all keys would take."""

from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme
from vitcrypt.report.frame import Table, texts
from vitcrypt.report.security import RATE, search_years

FORMULAS = {
    "LE": "(2d)! 2^(2d)",
    "EtC": "N! 8^N 2^N 6^N",
    "ELE": "((2d)! 2^(2d))^N N!",
    "PE": "2^(3P) 6^P",
    "PE, signs only": "2^(3P)",
    "Proposed": "N! ((M/2)^2)!",
}


def keyspace(rate: float = RATE) -> Table:
    """Return a table of bits, nominal and effective, and of the years of a search at `rate` keys a second."""
    rows, columns = [[name, formula] for name, formula in FORMULAS.items()], ["scheme", "formula"]
    for shape, block in (((3, 32, 32), 4), ((3, 224, 224), 16)):
        schemes: list[Scheme] = [LE(block), EtC(block), ELE(block), PE(), PE(channel_shuffle=False), Proposed(block)]
        for row, scheme in zip(rows, schemes, strict=True):
            nominal, effective = scheme.key_space_bits(shape), scheme.effective_key_bits(shape)
            row += [f"{nominal:,.1f}", search_years(nominal, rate), f"{effective:,.1f}"]
        columns += [f"{kind}, {shape[1]}, M = {block}" for kind in ("nominal", "years", "effective")]
    notes = [
        "nominal: log2 of the published formula. effective: at most the 256 bits of the key that all is drawn from.",
        "d = 3 M^2 values in a block of M x M pixels, N blocks, P pixels.",
        f"years: until exhaustive search finds the key, half of the nominal space, at {rate:.0e} keys a second; "
        f"{search_years(256, rate)} for 256 bits.",
        "None of these is a measure of security: the attacks that work do not search for the key.",
    ]
    return Table("Key space (bits) and exhaustive search", texts(rows, columns), notes, text=2)

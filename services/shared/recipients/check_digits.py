"""Check digits of national account and tax numbers that no library of ours has. Each takes digits
that already have their form, and says whether they fit."""

from collections.abc import Iterable, Iterator
from itertools import cycle

_NUBAN = (3, 7, 3)
_CLABE = (3, 7, 1)
_NIT = (3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71)


def fits_nuban(bank_code: str, account_number: str) -> bool:
    """Nigeria: the tenth digit of an account, over the bank's code of three digits and the nine
    digits before it."""
    total = _weighted(bank_code + account_number[:9], cycle(_NUBAN))
    return (10 - total % 10) % 10 == int(account_number[9])


def fits_clabe(clabe: str) -> bool:
    """Mexico: the last of eighteen digits; each product counts by its last digit."""
    total = sum(
        int(digit) * weight % 10 for digit, weight in zip(clabe[:17], cycle(_CLABE), strict=False)
    )
    return (10 - total % 10) % 10 == int(clabe[17])


def fits_cpf(cpf: str) -> bool:
    """Brazil, a person: the last two of eleven digits. Eleven equal digits fit and are no one's."""
    return len(set(cpf)) > 1 and all(
        _modulo_11(cpf[:end], range(end + 1, 1, -1)) == int(cpf[end]) for end in (9, 10)
    )


def fits_cnpj(cnpj: str) -> bool:
    """Brazil, a firm: the last two of fourteen characters. Since 2026 the first twelve may be
    letters, which count by their code."""
    return len(set(cnpj)) > 1 and all(
        _modulo_11(cnpj[:end], _from_two(end)) == int(cnpj[end]) for end in (12, 13)
    )


def fits_nit(nit: str) -> bool:
    """Colombia, a tax number: the last digit, over those before it from the right."""
    remainder = _weighted(reversed(nit[:-1]), iter(_NIT)) % 11
    return (11 - remainder if remainder > 1 else remainder) == int(nit[-1])


def _weighted(digits: Iterable[str], weights: Iterator[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _modulo_11(characters: str, weights: Iterable[int]) -> int:
    pairs = zip(characters, weights, strict=True)
    remainder = sum((ord(character) - ord("0")) * weight for character, weight in pairs) % 11
    return 0 if remainder < 2 else 11 - remainder


def _from_two(count: int) -> list[int]:
    """Weights of so many characters: from 2 to 9 and again, counted from the right."""
    return [2 + place % 8 for place in reversed(range(count))]

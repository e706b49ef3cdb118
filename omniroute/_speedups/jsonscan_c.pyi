"""Interface of the compiled twin of `jsonscan_py`, where the contract is stated."""

from omniroute._speedups.contract import Member

def find_members(body: bytes, names: tuple[bytes, ...]) -> dict[bytes, Member]: ...

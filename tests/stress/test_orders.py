"""What is called for is heard, whole and by one only, until it is taken back."""

from __future__ import annotations

from pathlib import Path

from pi_rag.stress.orders import Orders


def test_an_order_is_heard_and_taken_back(tmp_path: Path) -> None:
    """By whoever looks, with how much of it; afterwards nothing is called for."""
    giver, hearer = Orders(tmp_path / "orders"), Orders(tmp_path / "orders")
    hearer.look()
    assert hearer.amount("slow") == 0.0

    giver.give({"slow": 60, "errors": 5})
    hearer.look()
    assert (hearer.amount("slow"), hearer.amount("errors"), hearer.amount("leak")) == (60.0, 5.0, 0.0)

    giver.take_back()
    hearer.look()
    assert hearer.amount("slow") == 0.0


def test_what_is_no_order_is_passed_over(tmp_path: Path) -> None:
    """A file that is still being written, or that is none of ours, is not obeyed."""
    (tmp_path / "slow.order").write_text("", encoding="ascii")
    (tmp_path / "errors.new").write_text("5", encoding="ascii")
    hearer = Orders(tmp_path)
    hearer.look()

    assert hearer.amount("slow") == hearer.amount("errors") == 0.0


def test_of_several_one_takes_an_order(tmp_path: Path) -> None:
    """The first to say so; the others hear whose it is. When it is taken back anybody may take the next."""
    orders = Orders(tmp_path / "orders")
    orders.give({"worker_leak": 4})

    assert [orders.taker("worker_leak", pid) for pid in (11, 12, 11)] == [11, 11, 11]

    orders.take_back()
    orders.give({"worker_leak": 4})
    assert orders.taker("worker_leak", 12) == 12

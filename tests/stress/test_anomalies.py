"""What was found is matched with what was done: by what it is, where, and when."""

from __future__ import annotations

from pi_rag.stress.anomalies import ALL, NOTICED_S_MAX, QUICK, Anomaly, Done, false_ones
from pi_rag.stress.detecting import Finding

BY_NAME = {each.name: each for each in ALL}


def done(anomaly: Anomaly) -> Done:
    return Done(anomaly, 100.0, 110.0)


def finding(anomaly: Anomaly, began_s: float = 101.0, noticed_s: float = 104.0, where: str = "") -> Finding:
    return Finding(anomaly.kinds[0], began_s, noticed_s, 110.0, 1.0, "", where or anomaly.where)


def test_there_are_more_than_ten_and_no_two_alike() -> None:
    """The issue asks for ten."""
    assert len(BY_NAME) == len(ALL) >= 10
    assert set(QUICK) <= BY_NAME.keys()


def test_each_is_found_as_what_it_is() -> None:
    """With how long it took to notice."""
    for anomaly in ALL:
        assert done(anomaly).noticed_s([finding(anomaly)]) == 4.0
        assert false_ones([finding(anomaly)], [done(anomaly)]) == []


def test_another_kind_another_place_or_another_time_is_not_it() -> None:
    """Such a finding is a false one."""
    leak, stall = BY_NAME["worker-leak"], BY_NAME["stall"]
    strangers = [finding(stall), finding(leak, where="supervisor"), finding(leak, 80.0), finding(leak, 111.0)]

    for each in strangers:
        assert done(leak).noticed_s([each]) is None
        assert false_ones([each], [done(leak)]) == [each]


def test_what_is_noticed_too_late_was_not_found() -> None:
    """It explains the finding all the same: that is no false one."""
    late = finding(BY_NAME["stall"], noticed_s=100.0 + NOTICED_S_MAX + 1)

    assert done(BY_NAME["stall"]).noticed_s([late]) is None
    assert false_ones([late], [done(BY_NAME["stall"])]) == []


def test_in_a_clean_run_every_finding_is_false() -> None:
    """Nothing was done that could explain it."""
    assert len(false_ones([finding(each) for each in ALL], [])) == len(ALL)

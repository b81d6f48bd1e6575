"""The assignment engine: what it may never do, whatever the rules, the people and the request."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.requests.channels import Channel
from app.routing.engine import Candidate, Facts, decide, reach
from app.routing.schemas import Conditions, RuleForm, Target
from app.topics.schemas import Priority

UNITS = ("north", "south", "queue")
TITLE = {"ru": "п", "en": "r", "kk": "е"}
codes = st.sampled_from
maybe = st.none

people = st.lists(
    st.builds(
        Candidate,
        code=codes(["anna", "boris", "clara", "denis"]),
        unit=codes(UNITS),
        skills=st.frozensets(codes(["cards", "fuel"])),
        lines=st.frozensets(st.integers(1, 3), min_size=1),
        regions=st.frozensets(codes(["66", "77"])),
        capacity=st.integers(1, 3),
        load=st.integers(0, 4),
    ),
    max_size=4,
    unique_by=lambda person: person.code,
)
facts = st.builds(
    Facts,
    topic=codes(["cards", "fuel"]),
    channel=codes(list(Channel)),
    queue_unit=st.just("queue"),
    line=st.integers(1, 3),
    priority=codes(list(Priority)),
    skill=maybe() | codes(["cards", "fuel"]),
    region=maybe() | codes(["66", "77"]),
    vip=st.booleans(),
    manager=maybe() | codes(["anna", "boris"]),
    contract_unit=maybe() | codes(["north", "south"]),
    least_line=st.integers(1, 3),
)


def rule(code, position, target, conditions, *, line, priority):
    return RuleForm(
        code=code,
        title=TITLE,
        position=position,
        target=target,
        unit="south" if target is Target.UNIT else None,
        conditions=conditions,
        line=line,
        priority=priority,
    )


conditions = st.builds(
    Conditions,
    topics=st.lists(codes(["cards", "fuel"]), max_size=1).map(tuple),
    regions=st.lists(codes(["66", "77"]), max_size=1).map(tuple),
    vip=maybe() | st.booleans(),
)
rules = st.lists(
    st.builds(
        rule,
        codes(["a", "b", "c", "d"]),
        st.integers(1, 5),
        codes(list(Target)),
        conditions,
        line=maybe() | st.integers(1, 3),
        priority=maybe() | codes(list(Priority)),
    ),
    max_size=4,
    unique_by=lambda each: each.code,
)
quick = settings(max_examples=200)


@quick
@given(facts, rules, people)
def test_nobody_gets_what_he_cannot_do_or_has_no_room_for(facts, rules, people):
    decision = decide(facts, rules, people)
    chosen = next((person for person in people if person.code == decision.assignee), None)
    assert (decision.assignee is None) is (chosen is None)
    if chosen is None or decision.assignee == facts.manager:
        return
    assert chosen.unit == decision.unit
    assert decision.line in chosen.lines
    assert facts.skill is None or facts.skill in chosen.skills
    assert not chosen.regions or facts.region is None or facts.region in chosen.regions
    assert chosen.load < chosen.capacity


@quick
@given(facts, rules, people)
def test_every_request_has_a_unit_and_every_decision_its_reasons(facts, rules, people):
    decision = decide(facts, rules, people)
    assert decision.unit
    assert all(each.why for each in decision.considered)
    assert [each.rule for each in decision.considered if each.fits] == [
        code for code in [decision.rule] if code is not None
    ]


@quick
@given(facts, rules, people)
def test_the_people_who_are_fetched_are_enough_to_decide(facts, rules, people):
    fetched = [p for p in people if p.unit in reach(facts, rules) or p.code == facts.manager]
    assert decide(facts, rules, fetched) == decide(facts, rules, people)


@quick
@given(facts, rules, people, st.randoms())
def test_the_order_of_the_rows_decides_nothing(facts, rules, people, random):
    shuffled_rules, shuffled_people = list(rules), list(people)
    random.shuffle(shuffled_rules)
    random.shuffle(shuffled_people)
    assert decide(facts, shuffled_rules, shuffled_people) == decide(facts, rules, people)


@quick
@given(facts, rules, people)
def test_the_rule_that_decides_names_line_and_priority_but_no_line_below_the_least(facts, rules, people):
    decision = decide(facts, rules, people)
    named = next((each for each in rules if each.code == decision.rule), None)
    assert decision.priority is ((named and named.priority) or facts.priority)
    assert decision.line == max((named and named.line) or facts.line, facts.least_line)

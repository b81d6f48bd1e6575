"""Patroni, changed where it has no settings of its own: what, and why, is told in patroni_changes."""

import sys

from patroni.__main__ import main
from patroni_changes import (
    believing,
    expecting,
    giving_up,
    handing_over,
    promoting,
    reading,
    taking_over,
    waking,
)

# Each thread may keep Python's lock for so long, 5 ms by default: the loop that decides shares it with those
# that answer health checks.
YIELDS_AFTER_S = 0.001

if __name__ == "__main__":
    sys.setswitchinterval(YIELDS_AFTER_S)
    reading.ask_in_the_order_of_the_configuration()
    reading.read_in_one_go()
    waking.tell(waking.Watchman())
    expecting.tell(expecting.Messenger())
    believing.take_the_dead_for_dead()
    believing.believe_only_what_was_sent()
    believing.end_failsafe_with_the_outage()
    giving_up.name_a_successor()
    handing_over.hand_over_before_telling()
    promoting.promote_before_anything_else()
    handing_over.sleep_no_longer_than_needed()
    taking_over.take_the_key_and_say_so()
    taking_over.promote_by_a_statement()
    believing.keep_synchronous_ones_of_the_dead()  # last: it keeps the others from asking the dead
    sys.exit(main())

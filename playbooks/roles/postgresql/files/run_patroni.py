"""Patroni, tuned where it has no settings of its own: which ZooKeeper it asks, how its threads take turns.

Each of its loops reads some fifteen znodes one after the other, so where they are read decides how long a
promotion takes: at the witness 0.2 s each time, at home 0.03 (lab, witness 5 ms away). kazoo draws a server
by lot unless it is told not to, and Patroni 4.1.5 does not tell it (dcs/zookeeper.py).
"""

import functools
import sys

from kazoo.client import KazooClient
from patroni.__main__ import main

# The loop that decides shares Python's lock with the threads that answer health checks; each of these may
# keep it 5 ms by default.
YIELDS_AFTER_S = 0.001

if __name__ == "__main__":
    sys.setswitchinterval(YIELDS_AFTER_S)
    # In the order of the configuration.
    KazooClient.__init__ = functools.partialmethod(KazooClient.__init__, randomize_hosts=False)
    sys.exit(main())

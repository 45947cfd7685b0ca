# SPDX-License-Identifier: BSD-2-Clause
#
# What the programs of tests/bench are made of. Archives come from where the system tests have
# theirs: tests/system/rig.

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "system"))

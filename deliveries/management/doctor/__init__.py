"""The doctor: looks at everything the house stands on and says what is wrong and how to fix it.

One module a part of the house; `examine()` asks them all. A check that breaks is a finding, never a traceback.
"""

from deliveries.management.doctor.examination import CHECKS, examine
from deliveries.management.doctor.findings import NOTE, OK, PROBLEM, Finding

__all__ = ["CHECKS", "NOTE", "OK", "PROBLEM", "Finding", "examine"]

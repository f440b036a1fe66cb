"""A made-up exam day to try, teach and test with: plan, rosters, photos, two papers and staff.

Everything is generated from the text sources in this folder; persons, school, brand and numbers are invented,
and writing the same day twice gives the same bytes.
"""

from station.sample.candidates import SampleCandidate
from station.sample.day import SampleDay, write_sample_day

__all__ = ["SampleCandidate", "SampleDay", "write_sample_day"]

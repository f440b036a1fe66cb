"""Whether this PC and its way to the station are fit for a candidate (R-ROOM-3, R-ROOM-7).

What is wanted is data: the station's requirements, or a file. Each check is one small class; all run at the same time.
"""

from client_agent.checks.finding import Finding as Finding
from client_agent.checks.finding import Item as Item
from client_agent.checks.finding import Requirements as Requirements
from client_agent.checks.finding import is_fit as is_fit
from client_agent.checks.finding import load_requirements as load_requirements
from client_agent.checks.finding import parse_requirements as parse_requirements

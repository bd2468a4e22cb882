"""One client for several engines.

hybrid = HybridAIBackend([Member(backend, LoadSpec("model"))], policy=Policy(quality_floor=0.5), sink=calls.append)
reply = await hybrid.ask(request)                  # an `ai.analysis.Asker`
result = await hybrid.analyze_job_content(text)    # always answers
for name, standing in standings_of(report).items():  # after a benchmark
    hybrid.set_standing(name, standing)
hybrid.choice().sentence; hybrid.states(); await hybrid.close()
"""

from ai.router.breaker import BreakerPolicy, CircuitBreaker
from ai.router.drift import DriftAlarm, DriftDetector
from ai.router.hybrid import HybridAIBackend, Member, MemberState
from ai.router.live import LiveFigures
from ai.router.policy import Choice, Policy, Standing, choose
from ai.router.standing import standings_of

__all__ = [
    "BreakerPolicy",
    "Choice",
    "CircuitBreaker",
    "DriftAlarm",
    "DriftDetector",
    "HybridAIBackend",
    "LiveFigures",
    "Member",
    "MemberState",
    "Policy",
    "Standing",
    "choose",
    "standings_of",
]

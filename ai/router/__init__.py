"""One client for several engines.

hybrid = HybridAIBackend([Member(backend, LoadSpec("model"))], policy=Policy(quality_floor=0.5), sink=calls.append)
reply = await hybrid.ask(request)                  # an `ai.analysis.Asker`
result = await hybrid.analyze_job_content(text)    # always answers
hybrid.set_score(name, Score(speed=interval, measured_ts=now))   # after a benchmark
hybrid.choice().sentence; hybrid.states(); await hybrid.close()
"""

from ai.core.breaker import BreakerPolicy, CircuitBreaker
from ai.router.drift import DriftAlarm, DriftDetector
from ai.router.hybrid import HybridAIBackend, Member, MemberState
from ai.router.policy import Policy, Score, choose
from ai.shapes.engines import Choice, LiveFigures

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
    "Score",
    "choose",
]

"""What chatcore tests itself with, for tests of applications: virtual time, seeded schedules, services that misbehave.

::

    @in_virtual_time
    async def test_the_shop_opens_although_the_cache_is_slow() -> None:
        services = ScriptedServices()
        services.add("cache", Script(seconds=20.0))
        async with ServiceInitializationManager(services.graph) as manager:
            await manager.ensure_ready()

What costs more to import has modules of its own: scripted agents in :mod:`.agents`, a whole server in :mod:`.servers`,
a bad network in :mod:`.proxy`, and suites that an agent or a storage has to pass in :mod:`.agent_conformance` and
:mod:`.storage_conformance`.
"""

from chatcore.testing.clock import in_virtual_time, run_in_virtual_time
from chatcore.testing.schedules import seeded_schedule
from chatcore.testing.services import Moment, Script, ScriptedFault, ScriptedService, ScriptedServices
from chatcore.transports.memory import MemoryClient, memory_pair

__all__ = [
    "MemoryClient",
    "Moment",
    "Script",
    "ScriptedFault",
    "ScriptedService",
    "ScriptedServices",
    "in_virtual_time",
    "memory_pair",
    "run_in_virtual_time",
    "seeded_schedule",
]

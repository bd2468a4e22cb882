"""The engines of this machine at work: what the agent and the command line ask.

service = AiService(config, engines, records=NoRecords(), mask=hide_secrets)      # ai.service.service; belongs to one event loop
await service.backends(); await service.analyze(text); await service.benchmarks.start(request); await service.close()

thread = AiThread(lambda: AiService(...))                # ai.service.thread; runs that loop on a thread of its own
await thread.call(lambda service: service.backends(), deadline_s=10); thread.stop()

Nothing is imported here: the thread imports the engines' clients and the statistics at the first question, and an agent
that nobody asks about engines does not pay for them.
"""

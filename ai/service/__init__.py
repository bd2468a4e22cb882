"""The engines of this machine, put to work: what the agent and the command line ask.

desk = AiDesk(config, engines, records=records)       # ai.service.desk; everything below runs in one event loop
await desk.backends(); await desk.analyze(text); await desk.benchmarks.start(options); await desk.close()

thread = AiThread(lambda: AiDesk(...))                # ai.service.thread; that loop on a thread of its own
await thread.call(lambda desk: desk.backends(), deadline_s=10); thread.stop()

Nothing is imported here: the thread imports the engines' clients and the statistics at the first question, and an agent
that nobody asks about engines does not pay for them.
"""

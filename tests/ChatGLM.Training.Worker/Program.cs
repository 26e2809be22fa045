using ChatGLM.Training.Worker;

// A run for tests that kill it: goes on from the newest checkpoint if there is one, and writes the final weights when it gets to its end.
TinyRun.Run(args[0], withAdapter: args.Contains("--adapter"));

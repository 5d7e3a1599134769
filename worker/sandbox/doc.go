// Package sandbox runs ffmpeg and ffprobe on hostile input, confined: under limits, as a process group that ends with
// its job, in a private folder, with one input, no network and none of the worker's environment. It also says what a
// program's end means, by what it said.
//
// It owns run-limited, the limits, Landlock and seccomp, the scratch folder and what ffmpeg may open. It doesn't know
// kinds of job, URLs or storage.
package sandbox

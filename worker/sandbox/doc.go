// Package sandbox runs ffmpeg and ffprobe on hostile input, confined: under limits, as a process group that ends with
// its job, in one folder, with one input, no network and none of the worker's environment. It also says what a
// program's end means, by what it said.
//
// It owns run-limited, the limits, Landlock and seccomp, and what ffmpeg may open. It doesn't know kinds of job, URLs
// or storage; worker/scratch makes the folder.
package sandbox

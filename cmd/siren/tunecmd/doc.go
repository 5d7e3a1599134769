// Package tunecmd is the commands that override the policy for a while, and end that: tune, pause and freeze, budget
// and tunings. What they do is in internal/operate/tune.
package tunecmd

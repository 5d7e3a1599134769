// Package localfleet runs the workers of every pool as child processes of this one, as a Deployment runs pods. It owns
// their names, logs and ends, and knows nothing of what they do.
package localfleet

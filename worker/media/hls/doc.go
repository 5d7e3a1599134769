// Package hls knows HTTP Live Streaming (RFC 8216, and Apple's authoring specification for what is good in it): which
// sizes a film is offered in, what its playlists say, and how the codecs and rates in them are read off what was made.
//
// It is values and pure functions: who makes the segments, and where they go, is not its business.
package hls

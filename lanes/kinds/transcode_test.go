package kinds

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTranscodeParams(t *testing.T) {
	for _, c := range []struct{ name, output, params, codec, audio, err string }{
		{"the default", "a.mp4", ``, "h264", "aac", ""},
		{"of webm", "a.WEBM", ``, "vp9", "opus", ""},
		{"of Matroska", "a.mkv", ``, "h264", "aac", ""},
		{"AV1 in webm", "a.webm", `{"codec":"av1"}`, "av1", "opus", ""},
		{"VP9 and Opus in mp4", "a.m4v", `{"codec":"vp9","audioCodec":"opus"}`, "vp9", "opus", ""},
		{
			"H.264 in webm", "a.webm", `{"codec":"h264"}`,
			"", "", "a .webm can't hold h264: choose codec vp9 or av1, or an output",
		},
		{"AAC in webm", "a.webm", `{"audioCodec":"aac"}`, "", "", "choose audioCodec opus"},
		{"no ending", "a", ``, "", "", "the output must end in .mp4"},
		{
			"crf beyond the codec's scale", "a.mp4", `{"codec":"hevc","crf":52}`,
			"", "", "crf of hevc must be from 0 to 51",
		},
		{"crf 0 of av1", "a.mp4", `{"codec":"av1","crf":0}`, "", "", "crf of av1 must be from 1 to 63"},
		{"crf 63 of vp9", "a.webm", `{"crf":63}`, "vp9", "opus", ""},
		{"a quality and a size", "a.mp4", `{"crf":20,"bitrate":"1M"}`, "", "", "not both"},
		{"a capped quality", "a.mp4", `{"crf":20,"maxrate":"1M"}`, "h264", "aac", ""},
		{
			"a cap below the bit rate", "a.mp4", `{"bitrate":"2M","maxrate":"1M"}`,
			"", "", "maxrate must be at least bitrate, 2000k",
		},
		{
			"a cap of AV1 by bit rate", "a.mp4", `{"codec":"av1","bitrate":"1M","maxrate":"2M"}`,
			"", "", "av1 takes maxrate with crf",
		},
		{
			"a cap of VP9 in one pass", "a.webm", `{"bitrate":"1M","maxrate":"2M"}`,
			"", "", "vp9 takes maxrate with crf",
		},
		{"a cap of VP9 in two", "a.webm", `{"bitrate":"1M","maxrate":"2M","passes":2}`, "vp9", "opus", ""},
		{"two passes of AV1", "a.mkv", `{"codec":"av1","bitrate":"1M","passes":2}`, "", "", "passes of av1 is 1"},
		{"two passes of a quality", "a.mp4", `{"passes":2}`, "", "", "2 passes are for a bitrate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := transcode.Read(json.RawMessage(c.params), c.output)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				return
			}
			if err != nil || v.Word("codec") != c.codec || v.Word("audioCodec") != c.audio || v["crf"] == nil {
				t.Errorf("%v, %v; want %s and %s", v, err, c.codec, c.audio)
			}
		})
	}
}

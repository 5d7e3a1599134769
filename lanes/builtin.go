package lanes

// builtin is the presets that come with Siren. What one says never changes: a better one gets the next version, and the
// jobs of the old one stay what they were.
//
// A box is square where a portrait recording should come out as large as a landscape one.
var builtin = map[string]Preset{
	"web@1": {
		Kind:   "transcode",
		Params: []byte(`{"codec":"h264","crf":21,"maxrate":"8M","width":1920,"height":1920,"audio":"160k"}`),
		About:  "H.264 and AAC in a box of 1920 px, for a page's own player: hardly told from the source",
	},
	"web-hls@1": {
		Kind:   "hls",
		Params: []byte(`{"top":"1080p","segment":6,"audio":"128k"}`),
		About:  "a film in sizes up to 1080p, between which a player changes as the network allows",
	},
	"mobile@1": {
		Kind:   "transcode",
		Params: []byte(`{"codec":"h264","crf":25,"maxrate":"2500k","width":1280,"height":1280,"audio":"96k"}`),
		About:  "H.264 and AAC in a box of 1280 px, for phones on a mobile network: smaller files than web's",
	},
	"archive@1": {
		Kind:   "transcode",
		Params: []byte(`{"codec":"h264","crf":16,"speed":"slow","audio":"320k","channels":"5.1","metadata":"keep"}`),
		About: "H.264 that loses next to nothing, at the source's size, with surround sound, title, place and " +
			"chapters: to keep, and to make others from",
	},
	"poster@1": {
		Kind:   "thumbnail",
		Params: []byte(`{"width":1280,"height":1280,"quality":82}`),
		About:  "the most representative picture of a video, up to 1280 px wide, to show before it plays",
	},
	"podcast@1": {
		Kind:   "audio",
		Params: []byte(`{"bitrate":"128k","loudness":"podcast"}`),
		About:  "speech as loud as podcasts are: -16 LUFS, and -19 of mono; name the output .m4a or .mp3",
	},
	"avatar@1": {
		Kind:   "image",
		Params: []byte(`{"width":512,"height":512,"fit":"cover","quality":82}`),
		About:  "the middle of a picture as a square of 512 px, without place and camera",
	},
}

package hls

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// made makes a box of parts; texts are hexadecimal.
func made(name string, parts ...string) string {
	content, err := hex.DecodeString(strings.Join(parts, ""))
	if err != nil {
		panic(err)
	}
	head := append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), name...)
	return hex.EncodeToString(append(head, content...))
}

// initOf makes an initialization segment with one sample entry.
func initOf(entry string) []byte {
	stsd := made("stsd", "0000000000000001", entry)
	moov := made("moov", made("mvhd"), made("trak", made("mdia", made("minf", made("stbl", stsd)))))
	raw, _ := hex.DecodeString(made("ftyp", "636d6663") + moov)
	return raw
}

func TestCodec(t *testing.T) {
	picture, sound := strings.Repeat("00", 78), strings.Repeat("00", 28)
	for want, entry := range map[string]string{
		"avc1.64001f":       made("avc1", picture, made("pasp"), made("avcC", "0164001fffe1")),
		"avc1.42c01e":       made("avc1", picture, made("avcC", "0142c01effe1")),
		"hvc1.1.6.L93.90":   made("hvc1", picture, made("hvcC", "0101600000009000000000005d")),
		"hvc1.2.4.H150.B0":  made("hvc1", picture, made("hvcC", "012220000000b0000000000096")),
		"hvc1.A1.6.L93.0.1": made("hvc1", picture, made("hvcC", "0141600000000001000000005d")),
		"mp4a.40.2": made("mp4a", sound, made("esds", "00000000038080802200010004808080144015"+
			"0000000001f4000001f4000580808002"+"1190"+"06808080"+"0102")),
		"mp4a.40.42": made("mp4a", sound, made("esds", "0000000003190001000411401500000000000000000000000502"+"f940"+
			"060102")),
	} {
		whole := initOf(entry)
		if got, err := Codec(whole); err != nil || got != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
		for n := range whole { // what is cut off has no name, and harms nobody
			if got, err := Codec(whole[:n]); err == nil {
				t.Errorf("%s: %q of its first %d bytes", want, got, n)
			}
		}
	}
	if got, err := Codec(initOf(made("av01", picture))); err == nil {
		t.Errorf("a name for what isn't known: %q", got)
	}
}

package attempt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/polyglot-media/siren/lanes/work"
)

// whole looks whether the file ends before the length that its own container states, of which ffmpeg would make a
// shorter output without an error. Containers that state no length (a transport stream, a live recording) pass.
func (a *Attempt) whole() error {
	info, err := a.Box.Input.Stat()
	if err != nil {
		return fmt.Errorf("input %s: %w", a.From, err)
	}
	for _, needs := range []func(io.ReaderAt, int64) int64{boxesNeed, segmentNeeds, riffNeeds, xingNeeds} {
		if n := needs(a.Box.Input, info.Size()); n > info.Size() {
			return a.cutOff(fmt.Sprintf("it has %d of %d bytes", info.Size(), n))
		}
	}
	if !gifEnds(a.Box.Input, info.Size()) {
		return a.cutOff("the mark of its end is missing")
	}
	return nil
}

// cutOff warns that the input isn't all there, or refuses it.
func (a *Attempt) cutOff(why string) error {
	a.cut = fmt.Sprintf("input %s is cut off: %s", a.From, why)
	if a.Strict {
		return work.Fail(work.BadInput, errors.New(a.cut))
	}
	a.Warn("%s", a.cut)
	return nil
}

// boxesNeed returns the size that the top boxes of an mp4 or mov file need; 0 when it is none (ISO/IEC 14496-12, 4.2).
func boxesNeed(f io.ReaderAt, size int64) int64 {
	at := int64(0)
	for at < size {
		var h [16]byte
		if n, _ := f.ReadAt(h[:], at); n < 8 {
			return 0
		}
		kind, length := string(h[4:8]), int64(binary.BigEndian.Uint32(h[:4]))
		if at == 0 && kind != "ftyp" {
			return 0
		}
		switch length {
		case 0: // to the end of the file
			return at
		case 1:
			length = int64(min(binary.BigEndian.Uint64(h[8:]), 1<<60))
		}
		if length < 8 {
			return 0 // junk after the end
		}
		if at+length > size && kind != "mdat" && kind != "moov" {
			return 0
		}
		at += length
	}
	return at
}

// segmentNeeds returns the size that the segment of a Matroska or WebM file needs; 0 when it is none or doesn't say
// (RFC 8794, RFC 9559).
func segmentNeeds(f io.ReaderAt, _ int64) int64 {
	id, length, at := element(f, 0)
	if id != 0x1A45DFA3 || length < 0 || length > 1<<20 {
		return 0
	}
	id, length, data := element(f, at+length)
	if id != 0x18538067 || length < 0 {
		return 0
	}
	return data + length
}

// element reads an EBML element's head: its id, the length of its data (-1 when unknown) and where the data begins.
func element(f io.ReaderAt, at int64) (id uint64, length, data int64) {
	var h [12]byte
	n, _ := f.ReadAt(h[:], at)
	idSize := vintSize(h[0])
	if idSize == 0 || idSize > 4 || n < idSize+1 {
		return 0, -1, 0
	}
	for _, b := range h[:idSize] {
		id = id<<8 | uint64(b)
	}
	size := vintSize(h[idSize])
	if size == 0 || n < idSize+size {
		return 0, -1, 0
	}
	value := uint64(h[idSize]) & (1<<(8-size) - 1)
	for _, b := range h[idSize+1 : idSize+size] {
		value = value<<8 | uint64(b)
	}
	if value == 1<<(7*size)-1 {
		return id, -1, at + int64(idSize+size)
	}
	return id, int64(value), at + int64(idSize+size)
}

// vintSize returns how many bytes an EBML number takes, by its first one; 0 for none.
func vintSize(first byte) int {
	for i := range 8 {
		if first&(0x80>>i) != 0 {
			return i + 1
		}
	}
	return 0
}

// riffNeeds returns the size that the first part of an AVI, WebP or WAV file needs; 0 when it is none.
func riffNeeds(f io.ReaderAt, _ int64) int64 {
	var h [12]byte
	_, _ = f.ReadAt(h[:], 0)
	if kind := string(h[8:]); string(h[:4]) != "RIFF" || kind != "AVI " && kind != "WEBP" && kind != "WAVE" {
		return 0
	}
	length := binary.LittleEndian.Uint32(h[4:])
	if length >= 1<<32-9 || length >= 1<<31-1<<16 && string(h[8:]) == "WAVE" && length < 1<<31+1<<16 {
		return 0 // written to a pipe, where nobody could go back to say: ffmpeg and SoX write the largest they can
	}
	return 8 + int64(length)
}

package attempt

import (
	"fmt"
	"image"
	_ "image/jpeg" // what ffmpeg makes
	_ "image/png"

	_ "golang.org/x/image/webp"
)

// Size reads how large a picture is that was made: jpg, png or webp.
func (a *Attempt) Size(name string) (width, height int, err error) {
	f, err := a.Dir.OpenMade(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(f)
	if err != nil {
		return 0, 0, fmt.Errorf("read the size of %s: %w", name, err)
	}
	return c.Width, c.Height, nil
}

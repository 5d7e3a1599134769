package media

import (
	"fmt"
	"strconv"
)

// fit returns the filters that make pixels square and fit the picture into a box of width x height, keeping its shape
// and never enlarging it. Both sides become multiples of even.
func fit(v stream, width, height, even int) []string {
	var filters []string
	if v.Aspect != "" && v.Aspect != "1:1" && v.Aspect != "0:1" && v.Aspect != "N/A" {
		filters = append(filters, "scale=w='max(2,trunc(iw*sar/2)*2)':h=ih", "setsar=1")
	}
	if width == 0 && height == 0 {
		if even > 1 {
			filters = append(filters,
				fmt.Sprintf("scale=w='max(%[1]d,trunc(iw/%[1]d)*%[1]d)':h='max(%[1]d,trunc(ih/%[1]d)*%[1]d)'", even))
		}
		if len(filters) == 0 {
			return []string{"null"}
		}
		return filters
	}
	w, h := "iw", "ih"
	if width > 0 {
		w = fmt.Sprintf("'min(%d,iw)'", width)
	}
	if height > 0 {
		h = fmt.Sprintf("'min(%d,ih)'", height)
	}
	return append(filters, fmt.Sprintf("scale=w=%s:h=%s:force_original_aspect_ratio=decrease:force_divisible_by=%d", w,
		h, even))
}

// seconds writes a time for ffmpeg's command line.
func seconds(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) }

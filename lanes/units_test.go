package lanes

import (
	"testing"
	"time"
)

func TestDurationText(t *testing.T) {
	tests := []struct {
		text  string
		want  time.Duration
		print string // "": as text
	}{
		{"2s", 2 * time.Second, ""},
		{"30m", 30 * time.Minute, ""},
		{"1h30m", 90 * time.Minute, ""},
		{"1h", time.Hour, ""},
		{"1h0m5s", time.Hour + 5*time.Second, ""},
		{"10m0s", 10 * time.Minute, "10m"},
		{"90s", 90 * time.Second, "1m30s"},
		{"24h0m0s", 24 * time.Hour, "24h"},
		{"1m10s", 70 * time.Second, ""},
		{"100ms", 100 * time.Millisecond, ""},
		{"0s", 0, ""},
		{"-5m", -5 * time.Minute, ""},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			var d Duration
			if err := d.UnmarshalText([]byte(tt.text)); err != nil || d.D() != tt.want {
				t.Fatalf("read as %v, %v", d.D(), err)
			}
			want := tt.print
			if want == "" {
				want = tt.text
			}
			if got, _ := d.MarshalText(); string(got) != want {
				t.Errorf("prints as %s, want %s", got, want)
			}
			var again Duration
			if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
				t.Errorf("%s reads back as %v, %v", d, again.D(), err)
			}
		})
	}
	for _, bad := range []string{"", "30", "s", "5 minutes", "1d", "∞"} {
		t.Run("not "+bad, func(t *testing.T) {
			d := Duration(7)
			if err := d.UnmarshalText([]byte(bad)); err == nil || d != 7 {
				t.Errorf("read %q as %s, %v", bad, d, err)
			}
		})
	}
}

func TestBytesText(t *testing.T) {
	tests := []struct {
		text  string
		want  Bytes
		print string
	}{
		{"0", 0, "0"},
		{"1000", 1000, "1000"},
		{"1024", 1 << 10, "1Ki"},
		{"64Ki", 64 << 10, "64Ki"},
		{"1536Mi", 1536 << 20, "1536Mi"},
		{"2048Mi", 2 << 30, "2Gi"},
		{"3Ti", 3 << 40, "3Ti"},
		{" 2Gi ", 2 << 30, "2Gi"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			var b Bytes
			if err := b.UnmarshalText([]byte(tt.text)); err != nil || b != tt.want {
				t.Fatalf("read as %d, %v", b, err)
			}
			if got, _ := b.MarshalText(); string(got) != tt.print {
				t.Errorf("prints as %s, want %s", got, tt.print)
			}
		})
	}
	for _, bad := range []string{
		"", "Gi", "2G", "2GB", "-1", "1.5Gi", "2 Gi", "99999999999999Ti",
		"9223372036854775808",
	} {
		t.Run("not "+bad, func(t *testing.T) {
			b := Bytes(7)
			if err := b.UnmarshalText([]byte(bad)); err == nil || b != 7 {
				t.Errorf("read %q as %s, %v", bad, b, err)
			}
		})
	}
}

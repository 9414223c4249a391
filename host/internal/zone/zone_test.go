package zone

import (
	"strings"
	"testing"
	"time"
)

// A zone is known by its name or by its offset; what is not one has a hint.
func TestLoad(t *testing.T) {
	june := time.Date(2026, 6, 8, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]string{
		"UTC": "+00:00", "Europe/Oslo": "+02:00", "America/New_York": "-04:00", "Etc/GMT+8": "-08:00", "EST": "-05:00",
		"-08:00": "-08:00", "+05:45": "+05:45", "+0530": "+05:30", "-8": "-08:00", "+00:00": "+00:00", "-03:30": "-03:30",
	} {
		loc, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := june.In(loc).Format("-07:00"); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for name, hint := range map[string]string{
		"UTC-8": `write the offset: "-08:00"`, "GMT+1": `write the offset: "+01:00"`, "UTC+05:30": `write the offset: "+05:30"`, "GMT-0330": `write the offset: "-03:30"`,
		"PST": "Etc/GMT+8 is -08:00", "Local": "Etc/GMT+8 is -08:00", "Europe/Olso": "Europe/Oslo", "+25:00": "offset", "Z": "offset", "-08:00x": "offset",
	} {
		if loc, err := Load(name); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: got %v, %v, want %s", name, loc, err, hint)
		}
	}
}

// The zone of a row is what its text says, whatever clocks show on that day.
func TestResolve(t *testing.T) {
	june := time.Date(2026, 6, 8, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ name, home, want string }{
		{"EST", "America/New_York", "17:00"}, {"EDT", "America/New_York", "16:00"}, {"PST", "America/Los_Angeles", "20:00"},
		{"CET", "Europe/Oslo", "11:00"}, {"CEST", "Europe/Oslo", "10:00"}, {"BST", "Europe/London", "11:00"}, {"GMT", "Europe/London", "12:00"},
		{"UTC", "Europe/Oslo", "12:00"}, {"Z", "UTC", "12:00"}, {"+01:00", "UTC", "11:00"}, {"-0330", "UTC", "15:30"}, {"UTC+2", "UTC", "10:00"}, {"GMT-08:00", "UTC", "20:00"},
		{"Europe/Oslo", "UTC", "10:00"}, {"IST", "Asia/Kolkata", "06:30"}, {"-03", "America/Sao_Paulo", "15:00"}, {"MST", "America/Phoenix", "19:00"},
	} {
		home, err := Load(c.home)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Resolve(june, c.name, home)
		if err != nil || got.Format("15:04") != c.want {
			t.Errorf("%s in %s: got %v, %v, want %s", c.name, c.home, got, err, c.want)
		}
	}
	for _, c := range []struct{ name, home, want string }{
		{"EST", "UTC", "EST is not an abbreviation of UTC, where clocks show UTC"},
		{"EST", "Europe/Oslo", "EST is not an abbreviation of Europe/Oslo, where clocks show CEST and CET"},
		{"Europe/Olso", "UTC", `there is no time zone "Europe/Olso"`},
		{"PM", "-08:00", "PM is not an abbreviation of -08:00, where clocks show -08:00"},
	} {
		home, err := Load(c.home)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Resolve(june, c.name, home); err == nil || err.Error() != c.want {
			t.Errorf("%s in %s: got %v, %v, want %s", c.name, c.home, got, err, c.want)
		}
	}
	oslo, err := Load("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	// the hour that occurs twice is known by its abbreviation
	twice := time.Date(2026, 10, 25, 2, 30, 0, 0, time.UTC)
	if _, err := Instant(twice, oslo); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
	for name, want := range map[string]string{"CEST": "00:30", "CET": "01:30"} {
		if got, err := Resolve(twice, name, oslo); err != nil || got.Format("15:04") != want {
			t.Errorf("%s: got %v, %v, want %s", name, got, err, want)
		}
	}
	if _, err := Instant(time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC), oslo); err == nil || !strings.Contains(err.Error(), "never") {
		t.Errorf("got %v", err)
	}
}

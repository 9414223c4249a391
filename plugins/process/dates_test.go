package process

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
)

func TestDates(t *testing.T) {
	const day = 86400
	date := func(year int, month time.Month, day, hour int) time.Time {
		return time.Date(year, month, day, hour, 0, 0, 0, time.UTC)
	}
	for _, tt := range []struct {
		start    time.Time
		unit     float64
		calendar string
		t        float64
		want     string
	}{
		{date(2026, 3, 1, 6), 3600, "proleptic_gregorian", 0, "2026-03-01T06:00:00 060"},
		{date(2026, 3, 1, 6), 3600, "proleptic_gregorian", 18.5, "2026-03-02T00:30:00 061"},
		{date(2026, 3, 1, 6), 3600, "proleptic_gregorian", -6.0003, "2026-02-28T23:59:58 059"},
		{date(2024, 2, 28, 0), day, "proleptic_gregorian", 1, "2024-02-29T00:00:00 060"},
		{date(2024, 2, 28, 0), day, "proleptic_gregorian", 366, "2025-02-28T00:00:00 059"},
		{date(2026, 1, 1, 0), day, "proleptic_gregorian", 0.1 + 0.2, "2026-01-01T07:12:00 001"}, // 0.30000000000000004
		{time.Date(2026, 1, 1, 2, 0, 0, 0, time.FixedZone("", 7200)), day, "proleptic_gregorian", 1e6, "4763-11-29T00:00:00 333"},
		{date(2024, 2, 28, 0), day, "noleap", 1, "2024-03-01T00:00:00 060"},
		{date(2024, 3, 1, 0), day, "noleap", 0, "2024-03-01T00:00:00 060"},
		{date(2024, 3, 1, 12), day, "noleap", -60, "2023-12-31T12:00:00 365"},
		{date(2023, 12, 31, 0), day, "noleap", 3*365 + 1, "2027-01-01T00:00:00 001"},
		{date(2024, 2, 28, 0), day, "360_day", 3, "2024-03-01T00:00:00 061"},
		{date(2024, 2, 28, 0), day, "360_day", 2, "2024-02-30T00:00:00 060"},
		{date(2024, 1, 1, 0), day, "360_day", -1, "2023-12-30T00:00:00 360"},
	} {
		c := &sdk.Dates{Start: tt.start, Seconds: tt.unit, Calendar: tt.calendar}
		got, err := dateAt(c, tt.t).format("%Y-%m-%dT%H:%M:%S %j")
		if err != nil || got != tt.want || isoDate(c, tt.t) != tt.want[:19] {
			t.Errorf("%v + %v in %s: got %s, want %s, %v", tt.start, tt.t, tt.calendar, got, tt.want, err)
		}
	}
	if got, err := dateAt(&sdk.Dates{Start: date(2026, 3, 1, 0), Seconds: 1}, 0).format("%d %b %y, 100%%"); err != nil || got != "01 Mar 26, 100%" {
		t.Errorf("got %s, %v", got, err)
	}
	for form, want := range map[string]string{"%Y-%q": "has %q, want %Y", "at %": "ends in %"} {
		if _, err := (calendarDate{}).format(form); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", form, err, want)
		}
	}
}

// Templates, arguments and lines of servers have dates if the workflow has.
func TestDatesInTemplates(t *testing.T) {
	dir := t.TempDir()
	dates := &sdk.Dates{Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Seconds: 86400, Calendar: "proleptic_gregorian"}
	plugin, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	configure := func(c *sdk.Dates, command []string, more params) (*model, error) {
		p := scalars(params{"command": command, "work_dir": "work", "keep": "all"})
		for k, v := range more {
			p[k] = v
		}
		m, err := plugin.NewModel(t.Context(), sdk.ModelConfig{Params: p, Dir: dir, Dates: c})
		if err != nil {
			return nil, err
		}
		return m.(*model), nil
	}
	text := params{"input": "in.txt", "template": "{{date \"%Y %j\" .from}} to {{.to | date \"%d.%m. %H:%M\"}} {{.to_date}}\n{{.state.x}} {{.state.y}}\n"}
	m, err := configure(dates, []string{"sh", "-c", "echo {{.from_date}} > when; echo x,y > result.csv; echo 1,2 >> result.csv"}, text)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := m.Forecast(t.Context(), request(m, 1)); err != nil || len(res.Failures) > 0 {
		t.Fatal(res, err)
	}
	for name, want := range map[string]string{"in.txt": "2026 061 to 02.03. 12:00 2026-03-02T12:00:00\n", "when": "2026-03-02T00:00:00\n"} {
		text, err := os.ReadFile(left(t, m)["member00040/"+name])
		if err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("%s: got %q, want %q: %v", name, text, want, err)
		}
	}
	asked, err := configure(dates, []string{"cat"}, params{"mode": "server", "work_dir": "served"})
	if err != nil {
		t.Fatal(err)
	}
	line, err := asked.line(&server{dir: dir}, asked.blank())
	if err != nil || !strings.Contains(string(line), `"from_date":"2026-03-01T00:00:00"`) || !strings.Contains(string(line), `"to_date":"2026-03-02T00:00:00"`) {
		t.Errorf("got %s, %v", line, err)
	}
	for text, want := range map[string]string{
		"{{date \"%Y\" .from}} {{.state.x}} {{.state.y}}": "model times have no dates; time.start is one",
		"{{.to_date}} {{.state.x}} {{.state.y}}":          "there is no {{.to_date}}; model times have no dates; time.start is one",
	} {
		_, err := configure(nil, []string{"true"}, params{"input": "in.txt", "template": text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	wrong := params{"input": "in.txt", "template": "{{date \"%Y\" .seed}} {{.state.x}} {{.state.y}}"}
	if _, err := configure(dates, []string{"true"}, wrong); err == nil || !strings.Contains(err.Error(), `, want a model time, as in {{date "%Y" .to}}`) {
		t.Errorf("a date of a seed: got %v", err)
	}
}

package umbridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plume-da/plume/plugins/internal/umbridge/umbridgetest"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

type params = map[string]any

func configure(p params) (*model, error) {
	plugin, err := Plugin()
	if err != nil {
		return nil, err
	}
	m, err := plugin.NewModel(context.Background(), sdk.ModelConfig{Params: p})
	if err != nil {
		return nil, err
	}
	return m.(*model), nil
}

func configured(t testing.TB, p params) *model {
	t.Helper()
	m, err := configure(p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// forecastOf asks for a forecast from time 1 to 1.5.
func forecastOf(rows, n int, values ...float64) *sdk.ForecastRequest {
	return &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: 7, Seed: rng.New(1)}.From(40), From: 1, To: 1.5,
		Ensemble: mat.NewDense(rows, n, values), Into: mat.NewDense(rows, n, nil),
	}
}

// Every number goes to the official server and back with all its bits: over no time
// Lorenz-63 leaves its state alone.
func TestEveryBitSurvives(t *testing.T) {
	m := configured(t, params{"url": umbridgetest.Python(t), "model": "lorenz63", "inputs": []string{"state", "interval"}})
	if l := m.Layout(); l.Size() != 3 || l.Variables[0].Name != "state" || l.Variables[0].Shape[0] != 3 {
		t.Errorf("got the layout %+v", l.Variables)
	}
	r := forecastOf(3, 3, math.SmallestNonzeroFloat64, -math.MaxFloat64, math.Copysign(0, -1), 1e21, 3, 0.1, 1.0/3, -1e-7, 1<<53)
	r.To = r.From
	res, err := m.Forecast(t.Context(), r)
	if err != nil || len(res.Failures) > 0 {
		t.Fatal(res, err)
	}
	for i, x := range r.Ensemble.RawMatrix().Data {
		if got := r.Into.RawMatrix().Data[i]; math.Float64bits(got) != math.Float64bits(x) {
			t.Errorf("got %v, want %v", got, x)
		}
	}
}

// What a server is sent, to the letter, and what becomes of its answer. theta is in no
// output: a parameter.
func TestWhatIsSent(t *testing.T) {
	var seen []string
	s := umbridgetest.Model{Inputs: []int{3, 0, 4}, Outputs: []int{4, 1}, Seen: func(body string) { seen = append(seen, body) },
		Evaluate: func([][]float64, map[string]any) [][]float64 { return [][]float64{{10, 11, 12, 13}, {14}} }}
	p := params{"url": s.Serve(t) + "/", "model": "m", "variables": []string{"h(y, x)", "theta"}, "dimensions": []string{"y = 1", "x = 2"},
		"inputs": []string{"h, interval", "", "to, from, theta, 28"}, "outputs": []string{"skip, h", "skip"}, "config": `{"dt": {{.interval}}, "to": {{.to}}}`}
	m := configured(t, p)
	seen = nil
	r := forecastOf(1, 3, 1, -2.5, 1e-30)
	if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 {
		t.Fatal(res, err)
	}
	if want := `{"name":"m","config":{"dt":0.5,"to":1.5},"input":[[1.0,-2.5,0.5],[],[1.5,1.0,1e-30,28.0]]}`; len(seen) != 1 || seen[0] != want {
		t.Errorf("got %q, want %s", seen, want)
	}
	if got := r.Into.RawRowView(0); !slices.Equal(got, []float64{12, 13, 1e-30}) {
		t.Errorf("got %v", got)
	}
}

// A seed is a number below 2^53 that belongs to the member, not to its row.
func TestSeeds(t *testing.T) {
	s := umbridgetest.Model{Inputs: []int{2}, Outputs: []int{1}, Evaluate: func(in [][]float64, _ map[string]any) [][]float64 { return [][]float64{{in[0][1]}} }}
	m := configured(t, params{"url": s.Serve(t), "model": "m", "inputs": []string{"state, seed"}})
	r := forecastOf(2, 1)
	if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 {
		t.Fatal(res, err)
	}
	for i := range 2 {
		if got, want := r.Into.At(i, 0), float64(r.Seed.Member(40+i).Int64N(1<<53)); got != want {
			t.Errorf("member %d: got %v, want %v", i, got, want)
		}
	}
}

func TestGrid(t *testing.T) {
	s := umbridgetest.Model{Inputs: []int{12}, Outputs: []int{12}}
	m := configured(t, params{"url": s.Serve(t), "model": "m", "variables": []string{"h(y, x)", "v( x,y )"}, "dimensions": []string{"y = 2", "x=3"},
		"units": []string{"m", "m/s"}, "spacing": []float64{10, 0.5}, "period": []float64{0, 1.5}})
	l := m.Layout()
	if err := l.Check(); err != nil || l.Variables[1].Unit != "m/s" || l.Variables[1].Shape[0] != 3 {
		t.Errorf("got %+v: %v", l.Variables, err)
	}
	for _, value := range []int{5, 6 + 5} { // h[1][2] and v[2][1] are both at y = 10, x = 1
		if p := mat.Row(nil, value, l.Coordinates.Points); !slices.Equal(p, []float64{10, 1}) || l.Coordinates.Period[1] != 1.5 {
			t.Errorf("value %d: got %v", value, p)
		}
	}
}

// Every refusal names its parameter and is the user's to mend.
func TestRefusals(t *testing.T) {
	two := umbridgetest.Model{Inputs: []int{2, 1}, Outputs: []int{2}}.Serve(t)
	for _, tt := range []struct {
		where, want string
		given       params
	}{
		{"url", `got "localhost:4242", want an address`, params{"url": "localhost:4242"}},
		{"url", `got "ftp://localhost"`, params{"url": "ftp://localhost"}},
		{"model", "has no \"n\", it has other, m", params{"model": "n"}},
		{"model", "says that m cannot be evaluated", params{"url": umbridgetest.Model{NoEvaluate: true, Inputs: []int{1}, Outputs: []int{1}}.Serve(t)}},
		{"config", `got "[1]", want a JSON object`, params{"config": "[1]"}},
		{"config", `got "null", want a JSON object`, params{"config": "null"}},
		{"config", `no entry for key "time"`, params{"config": `{"t": {{.time}}}`}},
		{"config", "unclosed action", params{"config": "{{.from"}},
		{"inputs", "got 1, want one for each of the 2 vectors", params{"inputs": []string{"state"}}},
		{"inputs", `got "dt", want a number or one of state, x, y, from, to, interval, seed`, params{"inputs": []string{"state", "dt"}}},
		{"inputs", `item 1, "x", does not describe the 2 values`, params{"inputs": []string{"x", "interval"}}},
		{"inputs", "y is neither in an input nor in an output", params{"inputs": []string{"x, 0", "0"}, "outputs": []string{"x, skip"}}},
		{"inputs", "no item has space for the state", params{"variables": []string{}, "inputs": []string{"0, 0", "0"}}},
		{"inputs", "no item has space for the state", params{"variables": []string{}, "inputs": []string{"0, 0", "state, interval"}}},
		{"outputs", "got the number 0", params{"outputs": []string{"x, 0"}}},
		{"outputs", "x is in more than one", params{"outputs": []string{"x, x"}}},
		{"outputs", `"skip, skip", does not describe`, params{"outputs": []string{"skip, skip"}}},
		{"outputs", `"state, x, skip", does not describe`, params{"outputs": []string{"state, x, skip"}}},
		{"outputs", `got "from"`, params{"outputs": []string{"from, x"}}},
		{"variables", `got "2x"`, params{"variables": []string{"2x"}}},
		{"variables", "name is repeated", params{"variables": []string{"x", "x"}}},
		{"variables", "the name interval has another meaning", params{"variables": []string{"x", "interval"}}},
		{"variables", "the name state has another meaning", params{"variables": []string{"x", "state"}}},
		{"variables", "h has the dimension y, whose length", params{"variables": []string{"h(y)"}}},
		{"variables", "h has the dimension y twice", params{"variables": []string{"h(y, y)"}, "dimensions": []string{"y = 2"}}},
		{"dimensions", `got "y = 0"`, params{"dimensions": []string{"y = 0"}}},
		{"dimensions", "y is repeated", params{"dimensions": []string{"y = 1", "y = 2"}}},
		{"dimensions", "is set without variables", params{"dimensions": []string{"y = 1"}, "variables": []string{}}},
		{"units", "got 1, want one for each of 2 variables", params{"units": []string{"m"}}},
		{"spacing", "got 1, want one for each of 0 dimensions", params{"spacing": []float64{1}}},
		{"spacing", "y lacks some of the dimensions i", params{"variables": []string{"x(i)", "y"}, "dimensions": []string{"i = 1"}, "spacing": []float64{1}}},
		{"period", "is set without spacing", params{"period": []float64{1}}},
		{"period", "got 2, want one for each of i", params{"variables": []string{"x(i)"}, "dimensions": []string{"i = 2"}, "spacing": []float64{1}, "period": []float64{1, 1}}},
	} {
		p := params{"url": two, "model": "m", "variables": []string{"x", "y"}, "inputs": []string{"state", "interval"}}
		for k, v := range tt.given {
			p[k] = v
		}
		_, err := configure(p)
		if err == nil || sdk.KindOf(err) != sdk.KindConfig || !strings.HasPrefix(err.Error(), tt.where+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %s: ... %s", tt.given, err, tt.where, tt.want)
		}
	}
}

// Servers that are none, or speak another version.
func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	l.Close()
	reply := func(text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, tt := range []struct {
		url, want string
		kind      sdk.Kind
	}{
		{gone, gone + "/Info: dial tcp", sdk.KindTransient},
		{reply("<html>"), "/Info: m: the answer is not JSON: ", sdk.KindExternal},
		{reply(`{"protocolVersion": 0.9, "models": ["m"]}`), "the server speaks version 0.9 of UM-Bridge, want 1", sdk.KindExternal},
		{reply(`{"models": "m"}`), "does not follow the protocol of UM-Bridge", sdk.KindExternal},
	} {
		_, err := configure(params{"url": tt.url, "model": "m"})
		if err == nil || sdk.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v of kind %s, want %q of kind %s", err, sdk.KindOf(err), tt.want, tt.kind)
		}
	}
}

// What a server may answer instead of a state, and what is said of it.
func TestWrongAnswers(t *testing.T) {
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, body) }
	}
	for _, tt := range []struct {
		answer    http.HandlerFunc
		want      string
		retryable bool
		timeout   float64
	}{
		{text(400, `{"error": {"type": "InvalidInput", "message": "no such\nlake"}}`), "m: the server says InvalidInput: no such lake", false, 0},
		{text(200, `{"error": {"type": "InvalidInput", "message": "no such lake"}}`), "m: the server says InvalidInput: no such lake", false, 0},
		{text(500, "500 Internal Server Error\n\nServer got itself in trouble"), "m: the server says 500: 500 Internal Server Error Server got itself in trouble", false, 0},
		{text(503, "no node is free"), "m: the server says 503: no node is free", true, 0},
		{text(302, ""), "m: the server says 302: ", false, 0},
		{text(200, `{"output": [[nan, 1.0]] }`), `the answer is not JSON: invalid character 'a' in literal null (expecting 'u'), near "{\"output\": [[nan, 1.0]] }"`, false, 0},
		{text(200, `{"output": [[1.0, null]]}`), "value 1 is null, want a finite number", false, 0},
		{text(200, `{"output": [[1.0, 1e999]]}`), "value 1 is 1e999, want a finite number", false, 0},
		{text(200, `{"output": [[1.0, "2"]]}`), `value 1 is "2", want a finite number`, false, 0},
		{text(200, `{"output": [1.0, 2.0]}`), "got 1.0, want a list of numbers", false, 0},
		{text(200, `{"output": [[1.0], [2.0]]}`), "the answer holds 2 output vectors, want 1", false, 0},
		{text(200, `{"output": [[1.0]]}`), "output 0 of the answer holds 1 values, want 2", false, 0},
		{text(200, `{}`), "the answer holds 0 output vectors, want 1", false, 0},
		{text(200, strings.Repeat(" ", 2<<20)), "the answer has more than", false, 0},
		{func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF; is the server running?", true, 0},
		{func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 0.2 s", true, 0.2},
	} {
		s := umbridgetest.Model{Inputs: []int{2}, Outputs: []int{2}, Answer: tt.answer}
		address := s.Serve(t)
		m := configured(t, params{"url": address, "model": "m"})
		m.Timeout = tt.timeout
		res, err := m.Forecast(t.Context(), forecastOf(1, 2))
		if err != nil || len(res.Failures) != 1 {
			t.Errorf("%s: got %+v, %v", tt.want, res, err)
			continue
		}
		if f := res.Failures[0]; !strings.HasPrefix(f.Reason, address+"/Evaluate: ") || !strings.Contains(f.Reason, tt.want) || f.Retryable != tt.retryable {
			t.Errorf("got %+v, want %s", f, tt.want)
		}
	}
}

// A member the server refuses is listed; the others have their states.
func TestFailedMember(t *testing.T) {
	var body string
	s := umbridgetest.Model{Inputs: []int{1}, Outputs: []int{1}, Seen: func(b string) { body = b }}
	s.Answer = func(w http.ResponseWriter, _ *http.Request) {
		if strings.Contains(body, "-1.0") {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, `{"output": [[5]]}`)
	}
	m := configured(t, params{"url": s.Serve(t), "model": "m"})
	r := forecastOf(3, 1, 1, -1, 2)
	res, err := m.Forecast(t.Context(), r)
	if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 1 || r.Into.At(0, 0) != 5 || r.Into.At(2, 0) != 5 {
		t.Errorf("got %+v, %v, %v", res, err, mat.Formatted(r.Into))
	}
}

// As many requests as wanted are in flight, over all calls together, and no more. The
// server lets a request go when so many have come.
func TestParallel(t *testing.T) {
	const parallel = 4
	var mu sync.Mutex
	flying, most := 0, 0
	gather := make(chan struct{}, parallel)
	s := umbridgetest.Model{Inputs: []int{1}, Outputs: []int{1}}
	s.Answer = func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		flying++
		most = max(most, flying)
		if flying == parallel {
			for range parallel {
				gather <- struct{}{}
			}
		}
		mu.Unlock()
		select {
		case <-gather:
		case <-time.After(20 * time.Second):
			t.Error("requests do not come together")
		}
		mu.Lock()
		flying--
		mu.Unlock()
		fmt.Fprint(w, `{"output": [[1]]}`)
	}
	m := configured(t, params{"url": s.Serve(t), "model": "m", "parallel": parallel})
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			if res, err := m.Forecast(t.Context(), forecastOf(2*parallel, 1)); err != nil || len(res.Failures) > 0 {
				t.Error(res, err)
			}
		})
	}
	calls.Wait()
	if most != parallel {
		t.Errorf("%d requests were in flight, want %d", most, parallel)
	}
}

// Cancelling a call ends the requests it waits for.
func TestCancel(t *testing.T) {
	s := umbridgetest.Model{Inputs: []int{1}, Outputs: []int{1}, Answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
	m := configured(t, params{"url": s.Serve(t), "model": "m"})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := m.Forecast(ctx, forecastOf(3, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A server that closes a connection it is sent a second request on is asked again.
func TestClosedConnections(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	s := umbridgetest.Model{Inputs: []int{1}, Outputs: []int{1}}
	s.Answer = func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.RemoteAddr]++
		again := asked[r.RemoteAddr] > 1
		mu.Unlock()
		if again {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, `{"output": [[1]]}`)
	}
	m := configured(t, params{"url": s.Serve(t), "model": "m"})
	if res, err := m.Forecast(t.Context(), forecastOf(5, 1)); err != nil || len(res.Failures) > 0 || len(asked) != 5 {
		t.Errorf("got %+v, %v over %d connections", res, err, len(asked))
	}
}

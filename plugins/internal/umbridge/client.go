// Package umbridge is a client of UM-Bridge servers, for the plugins that use one.
package umbridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"

	"github.com/plume-da/plume/sdk"
)

// Server is one model of an UM-Bridge server, with version 1.0 of the
// protocol (Seelinger et al. 2023, doi:10.21105/joss.04748;
// https://um-bridge-benchmarks.readthedocs.io). Set the parameters, then call Connect.
type Server struct {
	URL      string  `param:"url"`
	Model    string  `param:"model"`
	Config   string  `param:"config"`   // a template of a JSON object, executed with the Values of a request
	Timeout  float64 `param:"timeout"`  // of one request, in seconds; 0: none
	Parallel int     `param:"parallel"` // largest number of requests in flight

	// Connect gets these from the server.
	InputSizes  []int // of every input vector
	OutputSizes []int // of every output vector
	HasGradient bool  // Gradient may be called

	config *template.Template
	turns  chan struct{}
}

// The protocol's messages.
type (
	info struct {
		ProtocolVersion float64  `json:"protocolVersion"`
		Models          []string `json:"models"`
	}
	modelInfo struct {
		Support struct{ Evaluate, Gradient bool } `json:"support"`
	}
	sizes struct {
		InputSizes  []int `json:"inputSizes"`
		OutputSizes []int `json:"outputSizes"`
	}
	request struct {
		Name   string          `json:"name"`
		Config json.RawMessage `json:"config"`
		Input  []Vector        `json:"input,omitempty"`
	}
	refusal struct {
		Error *struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}
)

// Connect asks the server about the model, with a config for the given values.
func (s *Server) Connect(ctx context.Context, v Values) error {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return config("url", "got %q, want an address such as http://localhost:4242", s.URL)
	}
	s.URL = strings.TrimRight(s.URL, "/")
	s.turns = make(chan struct{}, s.Parallel)
	if s.config, err = template.New("config").Option("missingkey=error").Parse(s.Config); err != nil {
		return config("config", "%v", err)
	}
	r, err := s.request(v)
	if err != nil {
		return err
	}
	if err := s.checkInfo(ctx, r); err != nil {
		return err
	}
	var in, out sizes
	if err := s.ask(ctx, "/InputSizes", r, &in, 0); err != nil {
		return err
	}
	if err := s.ask(ctx, "/OutputSizes", r, &out, 0); err != nil {
		return err
	}
	s.InputSizes, s.OutputSizes = in.InputSizes, out.OutputSizes
	if len(s.InputSizes) == 0 || len(s.OutputSizes) == 0 {
		return s.fault("/InputSizes", "%s has %d input and %d output vectors, want at least one of each", s.Model, len(s.InputSizes), len(s.OutputSizes))
	}
	return nil
}

func (s *Server) checkInfo(ctx context.Context, r request) error {
	var server info
	if err := s.ask(ctx, "/Info", nil, &server, 0); err != nil {
		return err
	}
	if server.ProtocolVersion != 1 {
		return s.fault("/Info", "the server speaks version %g of UM-Bridge, want 1", server.ProtocolVersion)
	}
	if !slices.Contains(server.Models, s.Model) {
		return config("model", "%s has no %q, it has %s", s.URL, s.Model, strings.Join(server.Models, ", "))
	}
	var model modelInfo
	if err := s.ask(ctx, "/ModelInfo", r, &model, 0); err != nil {
		return err
	}
	if !model.Support.Evaluate {
		return config("model", "%s says that %s cannot be evaluated", s.URL, s.Model)
	}
	s.HasGradient = model.Support.Gradient
	return nil
}

// request returns the common fields of all requests to the model.
func (s *Server) request(v Values) (request, error) {
	var b bytes.Buffer
	if err := s.config.Execute(&b, v); err != nil {
		return request{}, config("config", "%v", err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(b.Bytes(), &object); err != nil || object == nil {
		return request{}, config("config", "got %q, want a JSON object", b.String())
	}
	return request{Name: s.Model, Config: b.Bytes()}, nil
}

// Evaluate returns the model's output vectors for the input vectors.
func (s *Server) Evaluate(ctx context.Context, input []Vector, v Values) ([]Vector, error) {
	r, err := s.request(v)
	if err != nil {
		return nil, err
	}
	r.Input = input
	var answer struct{ Output []Vector }
	if err := s.ask(ctx, "/Evaluate", r, &answer, sum(s.OutputSizes)); err != nil {
		return nil, err
	}
	if len(answer.Output) != len(s.OutputSizes) {
		return nil, s.fault("/Evaluate", "the answer holds %d output vectors, want %d", len(answer.Output), len(s.OutputSizes))
	}
	for i, want := range s.OutputSizes {
		if got := len(answer.Output[i]); got != want {
			return nil, s.fault("/Evaluate", "output %d of the answer holds %d values, want %d", i, got, want)
		}
	}
	return answer.Output, nil
}

// Gradient returns sens times the Jacobian of output vector out with respect to
// input vector in.
func (s *Server) Gradient(ctx context.Context, out, in int, input []Vector, sens Vector, v Values) (Vector, error) {
	r, err := s.request(v)
	if err != nil {
		return nil, err
	}
	r.Input = input
	var answer struct{ Output Vector }
	if err := s.ask(ctx, "/Gradient", struct {
		request
		OutWrt int    `json:"outWrt"`
		InWrt  int    `json:"inWrt"`
		Sens   Vector `json:"sens"`
	}{r, out, in, sens}, &answer, s.InputSizes[in]); err != nil {
		return nil, err
	}
	if got, want := len(answer.Output), s.InputSizes[in]; got != want {
		return nil, s.fault("/Gradient", "the answer holds %d values, want %d, one per value of input %d", got, want, in)
	}
	return answer.Output, nil
}

// Each calls do for every row, s.Parallel at a time, and returns the errors. Rows that are
// not started because ctx is done have its error.
func (s *Server) Each(ctx context.Context, rows int, do func(ctx context.Context, i int) error) []error {
	errs := make([]error, rows)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(s.Parallel, rows) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < rows; i = int(next.Add(1)) - 1 {
				if errs[i] = ctx.Err(); errs[i] == nil {
					errs[i] = do(ctx, i)
				}
			}
		})
	}
	workers.Wait()
	return errs
}

// client keeps as many connections open as there were requests in flight at any time.
var client = func() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 1000
	return &http.Client{Transport: t}
}()

// ask sends a message, or none, when a slot of the server is free, and reads the answer,
// which has about the given number of numbers. If ctx is done the error is that of ctx.
func (s *Server) ask(ctx context.Context, path string, message, answer any, numbers int) error {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if s.Timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, sdk.Seconds(s.Timeout))
	}
	defer cancel()
	status, text, err := s.exchange(limited, path, message, numbers)
	var own *sdk.Error
	switch {
	case err == nil:
		return s.read(path, status, text, answer)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return sdk.Errorf(sdk.KindDeadline, s.URL+path, "no answer within %g s", s.Timeout).WithHint("raise timeout, or look at the server")
	case errors.As(err, &own):
		return err
	}
	var wrapped *url.Error // says method and address, as where does
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return sdk.Errorf(sdk.KindTransient, s.URL+path, "%v", err).WithHint("is the server running?")
}

// exchange returns the status and the text of the server's answer.
func (s *Server) exchange(ctx context.Context, path string, message any, numbers int) (int, []byte, error) {
	method, body := http.MethodGet, []byte(nil)
	if message != nil {
		method = http.MethodPost
		var err error
		if body, err = json.Marshal(message); err != nil {
			return 0, nil, s.fault(path, "%v", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, s.fault(path, "%v", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header["Idempotency-Key"] = nil // may be sent again if the server has closed an idle connection
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	limit := 1<<20 + 64*int64(numbers)
	text, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = s.fault(path, "the answer has more than %d bytes", limit)
	}
	return answer.StatusCode, text, err
}

// read stores the answer of the server, or returns the error that it contains.
func (s *Server) read(path string, status int, text []byte, answer any) error {
	var no refusal
	if err := json.Unmarshal(text, &no); err == nil && no.Error != nil {
		return s.fault(path, "%s: the server says %s: %s", s.Model, no.Error.Type, brief(no.Error.Message))
	}
	if status != http.StatusOK {
		e := s.fault(path, "%s: the server says %d: %s", s.Model, status, brief(string(text)))
		if status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout || status == http.StatusTooManyRequests {
			e.Kind = sdk.KindTransient
		}
		return e
	}
	err := json.Unmarshal(text, answer)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		from, to := max(0, int(syntax.Offset)-20), min(len(text), int(syntax.Offset)+20)
		return s.fault(path, "%s: the answer is not JSON: %v, near %q", s.Model, err, text[from:to])
	}
	if err != nil {
		return s.fault(path, "%s: the answer does not follow the protocol of UM-Bridge: %v", s.Model, err)
	}
	return nil
}

// fault returns an error of the server.
func (s *Server) fault(path, format string, args ...any) *sdk.Error {
	return sdk.Errorf(sdk.KindExternal, s.URL+path, format, args...)
}

func config(where, format string, args ...any) *sdk.Error {
	return sdk.Errorf(sdk.KindConfig, where, format, args...)
}

// brief returns text on one line, cut if it is long.
func brief(text string) string {
	const longest = 500
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + " ..."
	}
	return text
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}

// Vector is a list of numbers in JSON. Servers in dynamic languages read numbers without a
// point as integers, so all are written with a point or an exponent. They are written and
// read with all their bits.
type Vector []float64

// MarshalJSON implements json.Marshaler.
func (v Vector) MarshalJSON() ([]byte, error) {
	text := make([]byte, 1, 2+20*len(v))
	text[0] = '['
	for i, x := range v {
		if x-x != 0 {
			return nil, fmt.Errorf("value %d of an input is %g, which JSON cannot hold", i, x)
		}
		if i > 0 {
			text = append(text, ',')
		}
		start := len(text)
		text = strconv.AppendFloat(text, x, 'g', -1, 64)
		if !bytes.ContainsAny(text[start:], ".e") {
			text = append(text, ".0"...)
		}
	}
	return append(text, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler. Only finite numbers are accepted.
func (v *Vector) UnmarshalJSON(text []byte) error {
	text = bytes.TrimSpace(text)
	if len(text) < 2 || text[0] != '[' {
		return fmt.Errorf("got %s, want a list of numbers", brief(string(text)))
	}
	text = bytes.TrimSpace(text[1 : len(text)-1])
	*v = make(Vector, 0, 1+bytes.Count(text, []byte(",")))
	for len(text) > 0 {
		var item []byte
		item, text, _ = bytes.Cut(text, []byte(","))
		x, err := strconv.ParseFloat(string(bytes.TrimSpace(item)), 64)
		if err != nil {
			return fmt.Errorf("value %d is %s, want a finite number", len(*v), brief(string(item)))
		}
		*v = append(*v, x)
	}
	return nil
}

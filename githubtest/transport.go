package githubtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Transport returns an in-memory http.RoundTripper that calls the server directly, whatever host
// the request names. It is for tests in a testing/synctest bubble, where sockets can't be used. A
// cut connection is an error that wraps io.ErrUnexpectedEOF.
func (s *Server) Transport() http.RoundTripper { return memoryTransport{s} }

// memoryTransport is a connection without a network.
type memoryTransport struct{ s *Server }

// RoundTrip implements http.RoundTripper.
func (t memoryTransport) RoundTrip(req *http.Request) (res *http.Response, err error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	r := req.Clone(req.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer func() { _ = r.Body.Close() }()
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = "127.0.0.1:1"
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	w := &memoryWriter{header: http.Header{}}
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		cut, ok := p.(error)
		if !ok || !errors.Is(cut, http.ErrAbortHandler) {
			panic(p)
		}
		res, err = nil, req.Context().Err()
		if err == nil {
			err = fmt.Errorf("githubtest: connection cut: %w", io.ErrUnexpectedEOF)
		}
	}()
	t.s.ServeHTTP(w, r)
	return w.response(req), nil
}

// memoryWriter keeps an answer.
type memoryWriter struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *memoryWriter) response(req *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.sent, Request: req,
		Body: io.NopCloser(bytes.NewReader(w.body.Bytes())), ContentLength: int64(w.body.Len()),
	}
}

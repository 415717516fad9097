// Command go is a webhook for usher (docs/how-to/webhook.md) with the standard library only.
//
// Usage: go run . HOST:PORT SECRET_FILE SESSIONS_FILE
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxBody = 1 << 20
	window  = 5 * time.Minute // that a request is accepted for
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: go run . HOST:PORT SECRET_FILE SESSIONS_FILE")
	}
	secret, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	text, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	e := &endpoint{secret: bytes.TrimSpace(secret), seen: map[string]time.Time{}}
	if err := json.Unmarshal(text, &e.sessions); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "listening on", listener.Addr())
	server := &http.Server{Handler: e, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	return server.Serve(listener)
}

type endpoint struct {
	secret   []byte
	sessions map[string]json.RawMessage // token to answer

	mu   sync.Mutex
	seen map[string]time.Time // ids of calls, so that none is answered twice
}

// answer says whose credential a request is about. Replace this with your own.
func (e *endpoint) answer(token string) any {
	if a, ok := e.sessions[token]; ok {
		return a
	}
	return map[string]bool{"unknown": true}
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		reply(w, http.StatusRequestEntityTooLarge, map[string]string{"error": "a body of at most 1 MiB is necessary"})
		return
	}
	now := time.Now()
	if !e.isSigned(r.Header.Get("Usher-Signature"), body, now) {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "not signed by usher, or too old"})
		return
	}
	var request struct {
		CallID     string `json:"call_id"`
		Credential struct {
			Token string `json:"token"`
		} `json:"credential"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": "not a request"})
		return
	}
	if !e.isNew(request.CallID, now) {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "this call has been answered"})
		return
	}
	reply(w, http.StatusOK, e.answer(request.Credential.Token))
}

// isSigned says whether the Usher-Signature header is of this body, and recent.
func (e *endpoint) isSigned(header string, body []byte, now time.Time) bool {
	fields := map[string]string{}
	for _, part := range strings.Split(header, ",") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	t, err := strconv.ParseInt(fields["t"], 10, 64)
	if err != nil || now.Sub(time.Unix(t, 0)).Abs() > window {
		return false
	}
	mac := hmac.New(sha256.New, e.secret)
	mac.Write([]byte(fields["t"] + "."))
	mac.Write(body)
	v1, err := hex.DecodeString(fields["v1"])
	return err == nil && hmac.Equal(v1, mac.Sum(nil)) // in constant time
}

func (e *endpoint) isNew(callID string, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, at := range e.seen {
		if now.Sub(at) > 2*window {
			delete(e.seen, id)
		}
	}
	_, seen := e.seen[callID]
	e.seen[callID] = now
	return !seen
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

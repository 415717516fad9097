package doctor

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usher/app/checkup/finding"
)

// Running is what the usher of http.listen tells everybody.
type Running struct {
	Metrics []byte
	Ready   []byte // the answer of /readyz
	Status  int    // of /readyz
}

const (
	maxAnswer = 8 << 20         // bytes of one answer
	waitHTTP  = 5 * time.Second // for one answer
)

// askRunning asks the usher of http.listen; nil: none answers.
func askRunning(ctx context.Context, listen string) *Running {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return nil
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	base := "http://" + net.JoinHostPort(host, port)
	var r Running
	var status int
	if r.Metrics, status = get(ctx, base+"/metrics"); status != http.StatusOK || !strings.Contains(string(r.Metrics), "\nusher_") {
		return nil
	}
	r.Ready, r.Status = get(ctx, base+"/readyz")
	return &r
}

// get returns an answer and its status; zero: there is none.
func get(ctx context.Context, url string) (body []byte, status int) {
	ctx, cancel := context.WithTimeout(ctx, waitHTTP)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // no Proxy: the address is on this machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, 0
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, 0
	}
	return body, res.StatusCode
}

// check appends how the running usher does with its limits. nil: there is none.
func (r *Running) check(f *finding.List, listen string) {
	const check = "running usher"
	if r == nil {
		return
	}
	if r.Status != http.StatusOK {
		f.Warn(check, listen, "its log says more", "it is not ready: %s", strings.TrimSpace(string(r.Ready)))
	}
	used, limit := r.gauge("process_open_fds"), r.gauge("process_max_fds")
	switch {
	case limit == 0:
	case used > limit*0.8:
		f.Warn(check, listen, "raise LimitNOFILE of its unit, or ulimit -n, and restart it", "it has %.0f files and connections open, and may have %.0f", used, limit)
	default:
		f.OK(check, listen, "it has %.0f of %.0f files and connections open, and uses %s", used, limit, size(uint64(r.gauge("process_resident_memory_bytes"))))
	}
	if r.gauge("usher_configuration_restart_needed") > 0 {
		f.Warn(check, listen, "usher config diff says which; restart it", "keys of usher.yaml have changed that need a restart")
	}
}

// gauge returns the value of a metric without labels; 0: there is none.
func (r *Running) gauge(name string) float64 {
	for text := range strings.Lines(string(r.Metrics)) {
		if rest, ok := strings.CutPrefix(text, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				return 0
			}
			return v
		}
	}
	return 0
}

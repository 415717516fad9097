package endpoint

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"usher/api/listener"
	"usher/app/checkup/finding"
	"usher/app/deployment"
	"usher/internal/fault"
)

// CheckHTTP checks whether usher can listen on http.listen, or already does.
func CheckHTTP(ctx context.Context, f *finding.List, listen string) {
	if _, port, err := net.SplitHostPort(listen); err != nil || port == "0" {
		return // off, or any free port
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	switch {
	case err == nil && l.Close() == nil:
		f.OK("http", listen, "port is free; no usher is running")
	case !listener.InUse(err):
		f.Warn("http", listen, "http.listen must be an address of the machine that usher runs on", "cannot listen here: %v", err)
	default:
		if err := probeHealth(ctx, listen); err != nil {
			f.Fail(fault.Config, "http", listen, "another program may use the port: choose another http.listen", "port is in use, and no usher responds: %v", err)
			return
		}
		f.OK("http", listen, "usher responds")
	}
}

// probeHealth requests /healthz.
func probeHealth(ctx context.Context, listen string) error {
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dialAddress(listen)+"/healthz", nil)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // no Proxy: the address is on this machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close() // not read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("/healthz returns HTTP %d", res.StatusCode)
	}
	return nil
}

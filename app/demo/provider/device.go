package provider

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	deviceLifetime = 10 * time.Minute
	deviceInterval = 1 // seconds between two polls; loopback is fast
)

// device is a device that waits for a person to log in (RFC 8628).
type device struct {
	userCode string
	user     *User // nil: nobody has logged in yet
	ends     time.Time
}

// userCodeLetters are the letters of a user code: consonants, which form no words
// (RFC 8628 section 6.1).
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

// newUserCode returns a code such as WDJB-MJHT.
func (p *Provider) newUserCode() string {
	var b strings.Builder
	for i, c := range []byte(p.random(8))[:8] {
		if i == 4 {
			b.WriteByte('-')
		}
		b.WriteByte(userCodeLetters[int(c)%len(userCodeLetters)])
	}
	return b.String()
}

// startDevice answers a device authorization request (RFC 8628 section 3.2).
func (p *Provider) startDevice(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("client_id") != p.cfg.ClientID {
		fail(w, "invalid_client", "client_id is not "+p.cfg.ClientID)
		return
	}
	now, code := p.cfg.Now(), p.random(32)
	d := &device{userCode: p.newUserCode(), ends: now.Add(deviceLifetime)}
	p.mu.Lock()
	forgetOldest(p.devices, func(d *device) time.Time { return d.ends }, now)
	p.devices[code] = d
	p.mu.Unlock()
	page := p.cfg.Issuer + pathDevice
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": d.userCode,
		"verification_uri": page, "verification_uri_complete": page + "?user_code=" + url.QueryEscape(d.userCode),
		"expires_in": int(deviceLifetime.Seconds()), "interval": deviceInterval,
	})
}

// devicePage asks for the code that the device shows, and who logs in.
func (p *Provider) devicePage(w http.ResponseWriter, r *http.Request) {
	p.show(w, pageData{Title: "Connect a device to usher dev", Device: true, UserCode: r.FormValue("user_code"), Users: p.cfg.Users})
}

// approveDevice lets the device with a user code log in.
func (p *Provider) approveDevice(w http.ResponseWriter, r *http.Request) {
	user, ok := p.user(r.PostFormValue("user"))
	if !ok || !p.approve(strings.ToUpper(strings.TrimSpace(r.PostFormValue("user_code"))), &user) {
		http.Error(w, "no device shows this code", http.StatusBadRequest)
		return
	}
	p.show(w, pageData{Title: "The device is connected", Done: true})
}

func (p *Provider) approve(userCode string, user *User) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.devices {
		if d.userCode == userCode && d.user == nil && p.cfg.Now().Before(d.ends) {
			d.user = user
			return true
		}
	}
	return false
}

// takeDevice returns the user who approved a device code; nil: nobody yet. ok is false if
// there is no such code any more.
func (p *Provider) takeDevice(code string) (user *User, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := p.devices[code]
	if !ok || !p.cfg.Now().Before(d.ends) {
		return nil, false
	}
	if d.user != nil {
		delete(p.devices, code)
	}
	return d.user, true
}

package provider

import (
	"net/http"
	"net/url"
)

// pageData is what the page shows.
type pageData struct {
	Title    string
	Hidden   url.Values // parameters of the request, which the form sends again
	Device   bool       // ask for the code of a device
	UserCode string
	Users    []User
	Done     bool
}

// pageText is the only page: a form with a button for each user.
const pageText = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<style>body{font:1.1em system-ui;max-width:28em;margin:4em auto;padding:0 1em}button{font:inherit;display:block;width:100%;margin:.5em 0;padding:.6em;text-align:left}small{color:#666}</style>
<h1>{{.Title}}</h1>
{{if .Done}}<p>You can close this page.</p>{{else}}
<p>This provider is a part of <code>usher dev</code>. Nobody needs a password: pick a user.</p>
<form method="post">
{{range $name, $values := .Hidden}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
{{if .Device}}<p><label>Code that the device shows: <input name="user_code" value="{{.UserCode}}" required autocomplete="off"></label></p>{{end}}
{{range .Users}}<button name="user" value="{{.Name}}">{{.Name}} <small>{{range .Groups}}{{.}} {{end}}</small></button>{{end}}
</form>{{end}}
</html>
`

func (p *Provider) show(w http.ResponseWriter, data pageData) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// The form redirects to the client, so form-action cannot be restricted to this host.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	_ = p.page.Execute(w, data) // the browser has gone
}

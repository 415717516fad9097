package nkey

import (
	"slices"
	"time"

	"usher/callout/keyusage"
	"usher/issuer"
)

// missingKeys returns the keys that servers request but the keyring lacks.
func missingKeys(rows []KeyInfo, reports []keyusage.Report) []KeyInfo {
	known := map[string]bool{}
	for i := range rows {
		known[rows[i].PublicKey] = true
	}
	var missing []KeyInfo
	for i := range reports {
		for _, k := range reports[i].Keys {
			if known[k.PublicKey] || k.LastHour == 0 {
				continue
			}
			known[k.PublicKey] = true
			kind := k.Kind
			if kind == "" {
				kind = issuer.KindIssuer
			}
			missing = append(missing, KeyInfo{
				Kind: kind, Account: k.Account, Scope: k.Scope, State: stateMissing,
				Fingerprint: Fingerprint(k.PublicKey), PublicKey: k.PublicKey, Live: usageOf(k.PublicKey, reports, time.Now()),
			})
			missing[len(missing)-1].Live.Because = []string{"servers request it, but it is not in this keyring"}
		}
	}
	return missing
}

// stateMissing is the state of a key that servers request but the keyring lacks.
const stateMissing issuer.KeyState = "missing"

// usageOf combines the reports of the running ushers on a key.
func usageOf(public string, reports []keyusage.Report, now time.Time) *Usage {
	u := &Usage{Of: len(reports)}
	names := map[string]bool{}
	for i := range reports {
		for _, k := range reports[i].Keys {
			if k.PublicKey != public {
				continue
			}
			if k.State != "" {
				u.Ushers++
			}
			u.LastHour += k.LastHour
			if k.Last != nil && (u.Last == nil || k.Last.After(*u.Last)) {
				u.Last = k.Last
			}
			for _, s := range k.Servers {
				if now.Sub(s.Last) < time.Hour {
					names[s.Name] = true
				}
			}
		}
	}
	for name := range names {
		u.Servers = append(u.Servers, name)
	}
	slices.Sort(u.Servers)
	return u
}

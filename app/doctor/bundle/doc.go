// Package bundle writes the facts for a bug report as one archive without secrets.
//
// It promises that nothing gets into the archive without its Redactor, which hides what
// looks like a secret, and also every secret in a file that the configuration names,
// whatever its form, in whole or in part, and encoded as base64, hexadecimal digits, JSON
// or in a URL. It reads these files only to know what to hide. It never overwrites a file.
package bundle

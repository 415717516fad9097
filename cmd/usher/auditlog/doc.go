// Package auditlog has the commands over the audit: usher audit tail, search and verify.
//
// It promises that they change nothing, and that they find the audit where the configuration
// says it is, unless --file names another place.
package auditlog

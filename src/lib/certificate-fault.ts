/** True for what Node says of a certificate that nobody vouches for, or that is for another: trying again does not mend it. */
export function isCertificateFault(code: string | undefined): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ALTNAME|HOSTNAME_MISMATCH/.test(code ?? "");
}

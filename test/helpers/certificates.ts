// Two self-signed certificates, valid for a hundred years; their keys are not needed, the proxy has checked possession.
import { certificateThumbprint, readCertificate } from '../../src/lib/certificate.ts';

export const one =
  'MIIBgjCCASegAwIBAgIUK5ys/Je0UGCdpn0mUAYkYGS97ZQwCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwKY2xpZW50IG9uZTAgFw0yNjExMjEwOTU0MTZaGA8yMTI2MTAyODA5NTQxNlowFTETMBEGA1UEAwwKY2xpZW50IG9uZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJTRfuqMgNUyMd60XI7sFn3nQ/iU6lBKxRm3nr/G6izbEer4S8V9sLRrworYWMTHw8shQ9HyBqmNp5qAqPiMBI+jUzBRMB0GA1UdDgQWBBSzLqc6n7eLjNdmXNPoEdL5gEgEuzAfBgNVHSMEGDAWgBSzLqc6n7eLjNdmXNPoEdL5gEgEuzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDPdgAIcbI7B6gbPxuxdhBxii16oqRxfkcQ+Hp1twf4BwIhAOT6Vvjcrb8jyxMZy5S7M7Q0EzahoLqClUqrroF5mkJg';
export const two =
  'MIIBgjCCASegAwIBAgIULs44WfXatYzlBuguxTyvYeiXTXwwCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwKY2xpZW50IHR3bzAgFw0yNjExMjEwOTU0MTZaGA8yMTI2MTAyODA5NTQxNlowFTETMBEGA1UEAwwKY2xpZW50IHR3bzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCsFaIS6t024+hY3CB2S2FE+urqhssPim+9DO/y+LvAvlOVzrHtsG63/yc4zNIQ/1YsHcLFGiT760pPTYNsmk/OjUzBRMB0GA1UdDgQWBBSLJT3bf8BUhnsu9Z+ANJF0GVobCTAfBgNVHSMEGDAWgBSLJT3bf8BUhnsu9Z+ANJF0GVobCTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDcJz5m1yv/Y9OCy9kF807+U7pRPwbFzbIuXa2gXHjnqQIhAMalDTe3fs2Aeti+5atXLXOMSFHLMNnd4NP5ne613TWo';

/** The thumbprint of a certificate in DER. */
export function thumbprintOf(der: string): string {
  const certificate = readCertificate(`:${der}:`);
  if (!certificate) throw new Error('not a certificate');
  return certificateThumbprint(certificate);
}

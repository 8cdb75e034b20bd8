// The points of RFC 9700 (sections 2 and 4) and of OWASP ASVS 5.0.0 (V7, V9, V10) that docs/security.md answers.

const rfc9700 = [
  ['2.1', '2.1.1', '2.1.2'],
  ['2.2.1', '2.2.2', '2.3', '2.4', '2.5', '2.6'],
  ['4.1.3', '4.2.4', '4.3.1', '4.3.2', '4.4.2', '4.5', '4.6', '4.7', '4.8', '4.9.1', '4.9.2'],
  ['4.10.1', '4.10.2', '4.11.1', '4.11.2', '4.12', '4.13', '4.14', '4.15', '4.16', '4.17'],
].flat();

/** The number of requirements in each section of the ASVS. */
const asvs: Record<string, number> = {
  '7.1': 3,
  '7.2': 4,
  '7.3': 2,
  '7.4': 5,
  '7.5': 3,
  '7.6': 2,
  '9.1': 3,
  '9.2': 4,
  '10.1': 2,
  '10.2': 3,
  '10.3': 5,
  '10.4': 16,
  '10.5': 5,
  '10.6': 2,
  '10.7': 3,
};

/** All points, in order, as titles and rows begin with them. */
export const points: string[] = [
  ...rfc9700.map((section) => `RFC 9700 ${section}`),
  ...Object.entries(asvs).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, i) => `ASVS ${section}.${i + 1}`),
  ),
];

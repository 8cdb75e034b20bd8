// The Content-Security-Policy of the pages.
import test from 'ava';
import { contentSecurityPolicy } from '../../src/pages/csp.ts';

const name = 'Kindred';

test('by default the policy allows no scripts, no framing, and forms only to this server', (t) => {
  t.is(
    contentSecurityPolicy({ name }),
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
});

function directive(policy: string, wanted: string): string | undefined {
  return policy.split('; ').find((one) => one.startsWith(wanted));
}

test('pictures may come from the origins of the brand’s and the client’s logos', (t) => {
  const brand = { name, logoUrl: 'https://cdn.example/logo.svg?v=1' };
  t.is(
    directive(
      contentSecurityPolicy(brand, { imageUrls: ['https://print.example/a.png', 'javascript:x', ''] }),
      'img-src',
    ),
    "img-src 'self' https://cdn.example https://print.example",
  );
  t.is(
    directive(contentSecurityPolicy({ name, logoUrl: 'data:image/png;base64,AA' }), 'img-src'),
    "img-src 'self' data:",
  );
});

test('a form that ends at a client may be redirected anywhere, because redirects behind the client are not known', (t) => {
  t.is(
    contentSecurityPolicy({ name }, { leadsToClient: true }),
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
});

test('no URL can inject a directive into the policy', (t) => {
  const imageUrls = [
    "https://x.example; script-src 'unsafe-inline'",
    "https://x.example/;script-src 'unsafe-inline'",
    "https://x.example;script-src 'unsafe-inline'/",
    'https://*.example/',
    "javascript:'*'",
    'blob:https://x.example/1',
    '*',
    "'unsafe-inline'",
    'https://a.example,b/',
    'http://[::1]:4711/a.png',
  ];
  t.is(
    directive(contentSecurityPolicy({ name }, { imageUrls }), 'img-src'),
    "img-src 'self' https://x.example https: http:",
  );
});

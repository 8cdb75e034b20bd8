// The HTML of every sample page: escaping, structure, and that each state has its text.
import test from 'ava';
import type { Weakness } from '../../src/core/passwords/password_policy.ts';
import { renderAccount } from '../../src/pages/account.ts';
import { endedText, passwordText } from '../../src/pages/account_texts.ts';
import { assets, favicon, stylesheet } from '../../src/pages/brand.ts';
import { renderConsent } from '../../src/pages/consent.ts';
import { renderLogin } from '../../src/pages/login.ts';
import { endedReasons } from '../helpers/ended_reasons.ts';
import { accountPage } from './account_sample.ts';
import { brand, consentPage, nasty, samples } from './samples.ts';

const worstBrand = { name: nasty, logoUrl: `https://cdn.example/${nasty}`, basePath: '/auth' };
const tag = /<(\/?)([a-zA-Z0-9]+)((?:\s+[a-zA-Z-]+(?:="[^"<>]*")?)*)\s*\/?>/g;
const knownTags =
  'html head meta title link body header main nav footer section p span bdi strong small code div h1 h2 h3 ul li dl dt dd form input label button a img svg path rect details summary time blockquote'.split(
    ' ',
  );
const knownAttributes =
  'lang charset name content media rel href class src alt width height referrerpolicy loading aria-hidden aria-label aria-labelledby aria-describedby aria-invalid role id method action type value for autocomplete autocapitalize autocorrect spellcheck maxlength required inputmode autofocus pattern title hidden readonly dir tabindex target datetime open viewBox focusable rx d x y'.split(
    ' ',
  );

// Forms that anybody may send, or that carry the secret of a link: no cookie is needed, so there is no token to bind to one.
const isOfMail = /^[^>]* action="\/(recover|verify-email|not-me)[/"]/;

interface Tag {
  name: string;
  attributes: Record<string, string>;
}

/** The start tags of a page. Throws when text outside of tags has an angle bracket, because it was not escaped. */
function tagsOf(html: string): Tag[] {
  const body = html.replace('<!doctype html>', '');
  const rest = body.replaceAll(tag, '');
  if (/[<>]/.test(rest)) throw new Error(`not escaped: ${/.{0,80}[<>].{0,80}/.exec(rest)?.[0]}`);
  return [...body.matchAll(tag)]
    .filter(([, slash]) => slash === '')
    .map(([, , name = '', text = '']) => ({
      name,
      attributes: Object.fromEntries(
        [...text.matchAll(/([a-zA-Z-]+)(?:="([^"]*)")?/g)].map(([, key = '', value = '']) => [key, value]),
      ),
    }));
}

for (const [name, render] of Object.entries(samples)) {
  test(`${name}: only known tags and attributes, nothing inline, nothing from other origins`, (t) => {
    for (const one of [brand, worstBrand]) {
      const html = render(one);
      const tags = tagsOf(html);
      t.deepEqual(
        tags.filter((tag) => !knownTags.includes(tag.name)),
        [],
      );
      const attributes = new Set(tags.flatMap((tag) => Object.keys(tag.attributes)));
      t.deepEqual(
        [...attributes].filter((attribute) => !knownAttributes.includes(attribute)),
        [],
      );
      const logo = 'https://cdn.example/';
      const loaded = tags.flatMap(({ name, attributes: { src, href } }) =>
        name === 'link' ? [href ?? ''] : name === 'a' ? [] : [src ?? href ?? ''],
      );
      t.deepEqual(
        loaded.filter((url) => url && !/^(\/auth)?\/assets\/kindred-/.test(url) && !url.startsWith(logo)),
        [],
      );
      t.notRegex(html, /undefined|\[object|>null<|NaN|[\u202a-\u202e\u2066-\u2069]/);
    }
  });

  test(`${name}: one h1, a language, a title, and a CSRF token in every form`, (t) => {
    const html = render(brand);
    const tags = tagsOf(html);
    t.is(tags.filter((tag) => tag.name === 'h1').length, 1);
    t.is(tags[0]?.attributes.lang, 'en');
    t.regex(html, /<title>[^<]+ – Kindred<\/title>/);
    t.is(
      tags.filter((tag) => tag.attributes.autofocus !== undefined).length <= 1 || name === 'account_flash',
      true,
    );
    for (const form of html
      .split('<form')
      .slice(1)
      .filter((one) => !isOfMail.test(one))) {
      t.regex(
        form,
        /^[^>]* method="post" action="[^"]+">\s*(<input type="hidden"[^>]*>)*<input type="hidden" name="(csrf|xsrf)"/,
      );
    }
    const ids = tags.flatMap((tag) => tag.attributes.id ?? []);
    t.deepEqual(ids, [...new Set(ids)]);
  });
}

test('a client’s metadata never becomes a link that runs a script', (t) => {
  const page = consentPage();
  const client = {
    ...page.client,
    policyUrl: 'javascript:alert(1)',
    tosUrl: 'https://x.example/"onclick="a',
  };
  const html = renderConsent(brand, { ...page, client });
  t.false(html.includes('javascript:'));
  const link = tagsOf(html).find((tag) => tag.name === 'a');
  t.is(link?.attributes.href, 'https://x.example/%22onclick=%22a');
  t.is(link?.attributes.rel, 'noopener noreferrer nofollow');
});

test('a scope of a resource server is never described as one of OpenID Connect', (t) => {
  const scopes = [{ name: 'profile', resourceServer: 'Evil', isNew: true }];
  const html = renderConsent(brand, consentPage('X', { scopes }));
  t.false(html.includes('See your username'));
  t.regex(html, /<code><bdi>profile<\/bdi><\/code> at <bdi>Evil<\/bdi>/);
});

test('a client name that is a sentence is cut', (t) => {
  const html = renderConsent(
    brand,
    consentPage(`Safe and checked by Kindred. ${'Press Allow. '.repeat(20)}`),
  );
  t.true(
    html.includes('<h1><bdi>Safe and checked by Kindred. Press Allow. Press Allow. Pres…</bdi> would like'),
  );
});

test('the login page does not reveal whether a user exists', (t) => {
  const page = (username: string) =>
    renderLogin(brand, {
      form: { action: '/x', csrf: 'c' },
      username,
      problem: { kind: 'wrong_credentials' },
    });
  t.is(page('ada'), page('bob').replace('value="bob"', 'value="ada"'));
});

test('reuse is explained with what to do, and the list of ended sessions is unfolded', (t) => {
  const page = accountPage();
  t.regex(
    renderAccount(brand, page),
    /<details class="past" open>\s*<summary>Recently[\s\S]*change your password/,
  );
  const calm = { ...page, ended: page.ended.filter((one) => one.reason !== 'reuse_detected') };
  t.regex(renderAccount(brand, calm), /<details class="past">\s*<summary>Recently/);
});

test('every reason for the end of a session has its own text, and an unknown reason a neutral one', (t) => {
  const texts = endedReasons.map((reason) => endedText(reason).reason);
  t.is(new Set(texts).size, texts.length);
  t.false(texts.includes('Signed out'));
  for (const reason of ['constructor', '__proto__', '', null])
    t.deepEqual(endedText(reason), { reason: 'Signed out', isAlarming: false });
});

test('every weakness of a password has a text at its field', (t) => {
  const weaknesses: Record<Weakness, true> = {
    password_too_short: true,
    password_too_long: true,
    password_too_common: true,
    password_is_name: true,
  };
  for (const kind of Object.keys(weaknesses) as Weakness[]) {
    t.is(passwordText({ kind }).field, 'new');
    const html = renderAccount(brand, accountPage({ password: { action: '/x', problem: { kind } } }));
    t.regex(
      html,
      /id="new_password"[^>]* aria-describedby="new-hint new-problem" aria-invalid="true" autofocus>/,
    );
  }
});

test('the stylesheet and the icon are named after their content, and the pages name them', (t) => {
  const css = stylesheet(brand);
  t.is(css.type, 'text/css; charset=utf-8');
  t.regex(css.path, /^\/assets\/kindred-[\w-]{16}\.css$/);
  t.is(stylesheet({ name: 'Other' }).path, css.path);
  t.not(stylesheet({ name: 'Kindred', accent: '#b00020' }).path, css.path);
  t.notRegex(css.body, /@import|url\(|expression/);
  t.deepEqual(assets(brand), [css, favicon(brand)]);
  const html = samples.login?.({ ...brand, basePath: '/auth' }) ?? '';
  t.true(html.includes(`href="/auth${css.path}"`));
  t.false(favicon({ name: '<script>' }).body.includes('<script'));
});
